//! Paths inside a container.

use super::plain::no_nul;
use crate::diag::Fault;

/// A working directory or the target of a directory: absolute.
pub(crate) fn directory(text: &str) -> Result<(), Fault> {
    let trimmed = text.trim();
    if trimmed != text && trimmed.starts_with('/') {
        let fault = Fault::new(format!("the container path {text:?} has a space around it"));
        return Err(fault.help(format!("write `{trimmed}`")));
    }
    if !text.starts_with('/') {
        let fault = Fault::new(format!("the container path `{text}` must be absolute"));
        return Err(if text.starts_with('~') || text.starts_with('$') {
            fault.help("home directories and variables are not resolved here: write the path out")
        } else {
            fault.help(as_of_linux(text))
        });
    }
    no_nul("a container path", text)
}

/// What to write for a path that is not absolute.
fn as_of_linux(text: &str) -> String {
    let slashes = text.trim().replace('\\', "/");
    let rest = match slashes.split_once(':') {
        Some((drive, rest)) if drive.len() == 1 => rest,
        _ => &slashes,
    };
    let rest = rest.trim_start_matches("./").trim_start_matches('/');
    match text.contains('\\') {
        true => format!("paths of a container are those of Linux: write `/{rest}`"),
        false => format!("write `/{rest}`"),
    }
}

/// The target of a file: absolute. With a `/` at the end it is the directory that the file goes into.
pub(crate) fn file(text: &str) -> Result<(), Fault> {
    directory(text)?;
    if text.ends_with("/.") || text.ends_with("/..") {
        return Err(Fault::new(format!(
            "the target `{text}` must end with the name of the file, or with `/`"
        )));
    }
    Ok(())
}

/// What of `/etc` engines put into each container, and all of it.
const OF_NETWORK: [&str; 4] = ["", "/hostname", "/hosts", "/resolv.conf"];

/// Where a volume is seen: absolute, as it is, and no place that is the container's own.
pub(crate) fn of_volume(text: &str) -> Result<(), Fault> {
    directory(text)?;
    let mut parts = text.split('/').skip(1).peekable();
    let first = parts.peek().copied().unwrap_or_default();
    if first.is_empty() || ["dev", "proc", "sys"].contains(&first) {
        let fault = Fault::new(format!("a volume cannot be seen at `{text}`"));
        return Err(fault.help("choose a directory of its own, such as `/data`"));
    }
    let below = text.trim_end_matches('/').strip_prefix("/etc");
    if below.is_some_and(|below| OF_NETWORK.contains(&below)) {
        let fault = Fault::new(format!(
            "a volume cannot be seen at `{text}`: each container has its own names of hosts and name servers there"
        ));
        return Err(fault.help("choose a directory of its own, such as `/etc/app`"));
    }
    let last_is_empty = text.ends_with('/');
    let is_odd = |part: &str, is_last: bool| {
        part == "." || part == ".." || (part.is_empty() && !(is_last && last_is_empty))
    };
    while let Some(part) = parts.next() {
        if is_odd(part, parts.peek().is_none()) {
            let fault = Fault::new(format!(
                "the directory `{text}` has parts that lead nowhere"
            ));
            return Err(fault.help("write it without `.`, `..` and `//`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_paths_are_absolute() {
        for good in ["/", "/app", "/a b/c"] {
            assert_eq!(directory(good), Ok(()), "{good}");
        }
        for bad in ["", "app", "./app", "~/x", "$HOME", "/a\0", " /x", "/x\n"] {
            assert!(directory(bad).is_err(), "{bad:?}");
        }
        for (bad, help) in [
            ("./app", "help: write `/app`"),
            (" app", "help: write `/app`"),
            (" /x", "has a space around it\nhelp: write `/x`"),
            ("C:\\app\\x", "those of Linux: write `/app/x`"),
            ("app\\x", "those of Linux: write `/app/x`"),
        ] {
            let text = directory(bad).unwrap_err().text();
            assert!(text.ends_with(help), "{text}");
        }
    }

    #[test]
    fn volumes_have_a_directory_of_their_own() {
        for good in [
            "/data",
            "/data/",
            "/srv/a b",
            "/developers",
            "/etc/app",
            "/etcetera",
        ] {
            assert_eq!(of_volume(good), Ok(()), "{good}");
        }
        for bad in [
            "/etc",
            "/etc/",
            "/etc/hosts",
            "/etc/resolv.conf",
            "data",
            "/",
            "//",
            "/proc",
            "/dev/shm",
            "/sys/",
            "/a/../b",
            "/a//b",
            "/a/.",
        ] {
            assert!(of_volume(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_target_of_a_file_names_it() {
        for good in ["/root/config.yaml", "/root/", "/"] {
            assert_eq!(file(good), Ok(()), "{good}");
        }
        for bad in ["/root/.", "/root/.."] {
            assert!(file(bad).is_err(), "{bad}");
        }
    }
}
