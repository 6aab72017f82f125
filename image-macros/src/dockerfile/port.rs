//! What `EXPOSE` says.

use super::words::{self, Word, word};
use crate::diag::Fault;

/// A port or a range of them. What a variable gives is known when it is built.
pub(super) fn port(text: &str, escape: char) -> Result<Word, Fault> {
    let port = word(text, escape)?;
    let is_port = words::text_of(&port).is_none_or(|port| {
        let (ports, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let numbers = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        numbers.is_some_and(|(first, last)| first <= last)
            && matches!(protocol, "tcp" | "udp" | "sctp")
    });
    match is_port {
        true => Ok(port),
        false => Err(Fault::new(format!("`{text}` is no port")).help(
            "a number up to 65535, or two as in `8000-8010`; `/udp` or `/sctp` may follow it",
        )),
    }
}
