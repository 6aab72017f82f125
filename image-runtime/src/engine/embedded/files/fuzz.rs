//! What the fuzz target calls.

use std::io;
use std::os::fd::BorrowedFd;

use super::super::form::Form;
use super::{decompress, unpack};

/// Unpacks bytes that may be anything into a directory.
///
/// # Errors
/// What is wrong with the bytes.
pub fn unpack_anything(bytes: &[u8], root: BorrowedFd<'_>, user: bool) -> io::Result<()> {
    let form = if user { Form::User } else { Form::Root };
    unpack(decompress(bytes)?, root, form)
}
