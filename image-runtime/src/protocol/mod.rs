//! What host and worker say to each other over a private socket: messages, and the frames that carry them. Pure: no I/O.

mod frame;
mod message;
pub mod value;

pub use frame::{FrameError, HEADER_LENGTH, Header, encode};
pub use message::{
    By, CREDIT, Command, Failure, Fault, Hello, How, Kind, Room, RunOutcome, VERSION, Wanted,
};
