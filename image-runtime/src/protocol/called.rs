//! Which function a call is of: its name stands behind the arguments, with its length.

/// What ends the body of a call of the function.
pub fn length_of(name: &str) -> [u8; 4] {
    u32::try_from(name.len())
        .expect("names are identifiers")
        .to_be_bytes()
}

/// The name at the end of a body, and how long the arguments before it are.
pub fn name_at_end(body: &[u8]) -> Option<(&str, usize)> {
    let (rest, length) = body.split_last_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (arguments, name) = rest.split_at(rest.len().checked_sub(length)?);
    Some((std::str::from_utf8(name).ok()?, arguments.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_behind_the_arguments_and_nowhere_else() {
        let body = [b"\0args".as_slice(), b"f", &length_of("f")].concat();
        assert_eq!(name_at_end(&body), Some(("f", 5)));
        assert_eq!(name_at_end(&[0; 4]), Some(("", 0)));
        for body in [
            &[][..],
            &[0, 0, 1],
            &[b'f', 0, 0, 0, 2],
            &[0xff, 0, 0, 0, 1],
        ] {
            assert_eq!(name_at_end(body), None);
        }
    }
}
