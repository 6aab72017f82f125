//! What host and worker say to each other over a private socket: messages, and the frames that carry them. Pure: no I/O.

pub mod called;
mod frame;
pub mod memory;
mod message;
pub mod payload;
mod stamp;
pub mod value;

pub use frame::{FrameError, HEADER_LENGTH, Header, encode};
pub use message::{
    By, CREDIT, Command, Fault, Hello, How, INPUT_AHEAD, Kind, Room, RunOutcome, Session, Size,
    Terminal, VERSION, Wanted,
};
pub use stamp::Stamp;
