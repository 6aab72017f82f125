//! Debian package names (Debian policy 5.6.1, 5.6.12): `name`, `name:architecture`, `name=version`.

use crate::diag::Fault;

/// A package as `apt_install` takes it.
pub(crate) fn package(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(Fault::new("a package name must not be empty"));
    }
    let wrong = |reason: String| Fault::new(format!("{text:?} is not a Debian package: {reason}"));
    let separates = |c: char| c.is_whitespace() || c == ',';
    if let Some(separator) = text.chars().find(|c| separates(*c)) {
        let parts: Vec<_> = text.split(separates).filter(|p| !p.is_empty()).collect();
        let each: Vec<_> = parts.iter().map(|part| format!("{part:?}")).collect();
        // What is advised must be right itself.
        let are_packages = !parts.is_empty() && parts.iter().all(|part| package(part).is_ok());
        let help = are_packages.then(|| format!("one string a package: `{}`", each.join(", ")));
        let what = if separator == ',' { "comma" } else { "space" };
        return Err(wrong(format!("it holds a {what}")).maybe_help(help));
    }
    // `!` and `~` alone compare nothing: then the name is wrong.
    let comparisons = ["<", ">", "!=", "~=", "="].map(|sign| text.find(sign));
    let name_end = comparisons.into_iter().flatten().min();
    let (name, comparison) = text.split_at(name_end.unwrap_or(text.len()));
    if !(comparison.is_empty() || comparison.starts_with('=')) || comparison.starts_with("==") {
        let meant = format!("{name}={}", comparison.trim_start_matches('='));
        let is_meant = comparison.starts_with("==") && package(&meant).is_ok();
        let meant = if is_meant {
            meant
        } else {
            format!("{name}=VERSION")
        };
        return Err(
            wrong("apt takes an exact version, after one `=`".to_owned())
                .help(format!("write `{meant}`")),
        );
    }
    let (name, version) = match text.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let (name, architecture) = match name.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (name, None),
    };
    check_name(name, &wrong)?;
    if let Some(architecture) = architecture
        && !is_architecture(architecture)
    {
        return Err(wrong(format!("`{architecture}` is no architecture")));
    }
    match version {
        Some(version) if !is_version(version) => {
            Err(wrong(format!("{version:?} is not a Debian version")))
        }
        _ => Ok(()),
    }
}

fn check_name(name: &str, wrong: &impl Fn(String) -> Fault) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if let Some(character) = name.chars().find(|c| !fits(*c)) {
        return Err(wrong(format!("a name cannot hold {character:?}")));
    }
    if name.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(wrong("names of packages are lower case".to_owned())
            .help(format!("write `{}`", name.to_ascii_lowercase())));
    }
    if name.len() < 2 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(wrong(
            "a name has at least two characters and starts with a letter or a digit".to_owned(),
        ));
    }
    Ok(())
}

fn is_architecture(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(fits)
}

/// `[epoch:]upstream[-revision]`; apt's own `*` at the end stands for any rest.
fn is_version(text: &str) -> bool {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let fits = |c: char| c.is_ascii_alphanumeric() || ".+-~:".contains(c);
    let rest = rest.strip_suffix('*').unwrap_or(rest);
    !epoch.is_empty()
        && epoch.chars().all(|c| c.is_ascii_digit())
        && rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_names_with_an_architecture_and_a_version() {
        for good in [
            "git",
            "g++",
            "libpq-dev",
            "python3.11",
            "0ad",
            "libc6:amd64",
            "curl=7.88.1-10+deb12u12",
            "vim=2:9.0.1378-2",
            "libfoo:i386=1:2.0~rc1-1",
            "curl=7.88*",
        ] {
            assert_eq!(package(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn anything_else_is_no_package() {
        for bad in [
            "",
            "g",
            "-git",
            "git curl",
            "Git",
            "git==1",
            "git>=1",
            "git=",
            "git=abc",
            "git:",
            "git/bookworm",
            "git;",
            "git\0",
            "vim=:1",
            "git~=1.0",
            "git!=1.0",
            "git!",
            "git~1.0",
        ] {
            assert!(package(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn help_shows_the_right_form() {
        for (bad, help) in [
            ("git curl", "one string a package: `\"git\", \"curl\"`"),
            ("git, curl", "one string a package: `\"git\", \"curl\"`"),
            ("git,curl", "one string a package: `\"git\", \"curl\"`"),
            ("Git", "write `git`"),
            ("git==1", "write `git=1`"),
            ("git==x", "write `git=VERSION`"),
            ("git!=1", "write `git=VERSION`"),
            ("git~=1", "write `git=VERSION`"),
            ("git<1", "write `git=VERSION`"),
        ] {
            let text = package(bad).unwrap_err().text();
            assert!(text.ends_with(&format!("help: {help}")), "{text}");
        }
    }

    #[test]
    fn no_package_is_advised_that_is_none() {
        for bad in ["-y git", "git Curl", " "] {
            let text = package(bad).unwrap_err().text();
            assert!(!text.contains("help"), "{text}");
        }
    }

    #[test]
    fn signs_that_compare_nothing_are_no_part_of_a_name() {
        for (bad, sign) in [("Git!", '!'), ("git~1", '~')] {
            let text = package(bad).unwrap_err().text();
            let end = format!("a name cannot hold {sign:?}");
            assert!(text.ends_with(&end), "{text}");
        }
    }
}
