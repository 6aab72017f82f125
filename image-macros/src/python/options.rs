//! Options of the installer, which is uv: those that people may add, and those that have a keyword or are ours.

use crate::diag::{Fault, did_you_mean};
use crate::text::plain::no_nul;

/// Options of `uv pip install` that `extra_options` may hold.
const FLAGS: &[&str] = &[
    "--compile",
    "--compile-bytecode",
    "--force-reinstall",
    "--no-build",
    "--no-build-isolation",
    "--no-cache",
    "--no-cache-dir",
    "--no-compile",
    "--no-deps",
    "--no-index",
    "--no-sources",
    "--no-verify-hashes",
    "--quiet",
    "--refresh",
    "--reinstall",
    "--require-hashes",
    "--strict",
    "--upgrade",
    "--verbose",
    "--verify-hashes",
    "-U",
    "-q",
    "-v",
];

/// Those that take a value.
const WITH_VALUE: &[&str] = &[
    "--allow-insecure-host",
    "--build-constraint",
    "--config-setting",
    "--config-settings",
    "--default-index",
    "--exclude-newer",
    "--fork-strategy",
    "--index",
    "--index-strategy",
    "--keyring-provider",
    "--no-binary",
    "--no-build-isolation-package",
    "--no-build-package",
    "--only-binary",
    "--prefix",
    "--refresh-package",
    "--reinstall-package",
    "--resolution",
    "--target",
    "--torch-backend",
    "--trusted-host",
    "--upgrade-package",
    "-C",
    "-P",
    "-t",
];

/// Options that are written in another way.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["--index-url", "-i"], "write `index_url = \"…\"`"),
    (&["--extra-index-url"], "write `extra_index_url = \"…\"`"),
    (&["--find-links", "-f"], "write `find_links = \"…\"`"),
    (&["--pre", "--prerelease"], "write `pre = true`"),
    (
        &["--requirement", "--requirements", "-r"],
        "write `.pip_install_from_requirements(\"…\")`",
    ),
    (
        &["--constraint", "--constraints", "-c"],
        "name the constraints in a requirements file (`-c constraints.txt`) and write `.pip_install_from_requirements(\"…\")`",
    ),
    (
        &["--editable", "-e"],
        "copy the project with `.copy_local_dir` and install it with `.run_commands`",
    ),
    (
        &[
            "--user",
            "--system",
            "--python",
            "-p",
            "--break-system-packages",
        ],
        "packages go to the image's own Python",
    ),
    (
        &[
            "--cache-dir",
            "--link-mode",
            "--no-config",
            "--config-file",
            "--native-tls",
            "--system-certs",
            "--no-progress",
        ],
        "that is set by the build itself",
    ),
];

/// The words of `extra_options = "--no-deps --no-binary numpy"`, as a shell splits them.
pub(crate) fn words(text: &str) -> Result<Vec<String>, Fault> {
    no_nul("`extra_options`", text)?;
    let words = shlex::split(text)
        .ok_or_else(|| Fault::new("`extra_options` ends inside quotes, or with a backslash"))?;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        option(word, &mut rest)?;
    }
    Ok(words)
}

fn option<'a>(word: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<(), Fault> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value)),
        _ => (word, None),
    };
    if !name.starts_with('-') {
        return Err(Fault::new(format!(
            "`extra_options` holds options only, and `{word}` is none"
        ))
        .help("requirements are arguments of their own"));
    }
    if let Some((_, help)) = ELSEWHERE.iter().find(|(names, _)| names.contains(&name)) {
        return Err(Fault::new(format!("`{name}` is no extra option")).help(*help));
    }
    match (FLAGS.contains(&name), WITH_VALUE.contains(&name), value) {
        (true, _, None) => Ok(()),
        (true, _, Some(_)) => Err(Fault::new(format!("the option `{name}` takes no value"))),
        (_, true, Some(_)) => Ok(()),
        (_, true, None) => match rest.next() {
            Some(value) if !value.starts_with("--") => Ok(()),
            _ => Err(Fault::new(format!("the option `{name}` needs a value"))),
        },
        (false, false, _) => {
            let known = FLAGS.iter().chain(WITH_VALUE).copied();
            Err(
                Fault::new(format!("unknown option `{name}` of `uv pip install`"))
                    .help(did_you_mean(name, "known ones", known)),
            )
        }
    }
}

/// `index_url = "https://pypi.example/simple"`
pub(crate) fn index_url(text: &str) -> Result<(), Fault> {
    let example = "such as `\"https://pypi.example/simple\"`";
    plain_url(text, "the URL of a package index")?;
    let scheme = ["https://", "http://", "file:///"];
    match scheme.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(Fault::new(format!("{text:?} is not the URL of a package index")).help(example)),
    }
}

/// `find_links = "https://pypi.example/wheels.html"`, or a directory of the image.
pub(crate) fn find_links(text: &str) -> Result<(), Fault> {
    plain_url(text, "`find_links`")?;
    match text.starts_with('/') || index_url(text).is_ok() {
        true => Ok(()),
        false => Err(Fault::new(format!(
            "{text:?} is neither a URL nor an absolute path in the image"
        ))
        .help("copy local wheels into the image first, with `.copy_local_dir(\"wheels\", \"/wheels\")`, and write `find_links = \"/wheels\"`")),
    }
}

fn plain_url(text: &str, what: &str) -> Result<(), Fault> {
    match text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Err(Fault::new(format!("{what} must hold no white space"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_options_are_options_of_the_installer() {
        for (good, count) in [
            ("", 0),
            ("--no-deps", 1),
            ("--no-binary numpy --upgrade", 3),
            ("--no-binary=numpy -U", 2),
            ("--index-strategy 'unsafe-best-match'", 2),
        ] {
            assert_eq!(words(good).unwrap().len(), count, "{good}");
        }
        for (bad, said) in [
            ("numpy", "requirements are arguments"),
            ("--no-dep", "did you mean `--no-deps`?"),
            ("--index-url https://x", "index_url = "),
            ("-r requirements.txt", "pip_install_from_requirements"),
            ("--pre", "pre = true"),
            ("--no-binary", "needs a value"),
            ("--no-binary --upgrade", "needs a value"),
            ("--no-deps=1", "takes no value"),
            ("--no-deps 'x", "ends inside quotes"),
            ("--cache-dir /x", "set by the build itself"),
            ("-- numpy", "unknown option"),
        ] {
            let text = words(bad).unwrap_err().text();
            assert!(text.contains(said), "{bad}: {text}");
        }
    }

    #[test]
    fn indexes_are_urls_and_links_may_be_directories_of_the_image() {
        for good in [
            "https://a/simple",
            "http://127.0.0.1:80/x",
            "file:///wheels",
            "https://${USER}:${TOKEN}@a/s",
        ] {
            assert_eq!(index_url(good), Ok(()), "{good}");
            assert_eq!(find_links(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "pypi.example/simple",
            "ftp://a/b",
            "https://",
            "https:///a",
            "https://a b",
        ] {
            assert!(index_url(bad).is_err(), "{bad}");
            assert!(find_links(bad).is_err(), "{bad}");
        }
        assert_eq!(find_links("/wheels"), Ok(()));
        assert!(
            find_links("wheels")
                .unwrap_err()
                .text()
                .contains("copy_local_dir")
        );
    }
}
