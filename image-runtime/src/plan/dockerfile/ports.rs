//! What `EXPOSE` says.

/// The ports of `8000-8010/udp`, or the one of `80`, as an image's configuration names them.
pub(super) fn each(text: &str) -> Result<Vec<String>, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse::<u16>(), last.parse::<u16>(), protocol) {
        (Ok(first), Ok(last), "tcp" | "udp" | "sctp") if first <= last => Ok((first..=last)
            .map(|port| format!("{port}/{protocol}"))
            .collect()),
        _ => Err(format!(
            "`{text}` of `EXPOSE` is no port and no range of them"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_named_port_by_port() {
        assert_eq!(each("80").unwrap(), ["80/tcp"]);
        assert_eq!(
            each("8000-8002/udp").unwrap(),
            ["8000/udp", "8001/udp", "8002/udp"]
        );
        for wrong in ["", "http", "65536", "2-1", "80/icmp"] {
            let said = each(wrong).unwrap_err();
            assert!(said.contains("`EXPOSE`"), "{said}");
        }
    }
}
