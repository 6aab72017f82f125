//! Match specs and channels of conda.

use super::outside;
use crate::diag::Fault;

/// A match spec: `pytorch`, `numpy=1.26`, `python >=3.11,<3.13`, `conda-forge::curl`, `numpy=1.26=py311*`.
pub(crate) fn spec(text: &str) -> Result<(), Fault> {
    let wrong = |why: String| {
        let fault = Fault::new(format!("{text:?} is not a conda match spec: {why}"));
        Err(fault.help("such as `numpy`, `numpy=1.26` or `numpy >=1.26,<2`"))
    };
    if text.trim() != text || text.is_empty() {
        return wrong("it is empty, or has spaces around it".to_owned());
    }
    // Anything may stand in brackets: they go first.
    let (rest, brackets) = match text.split_once('[') {
        Some((rest, inside)) => match inside.strip_suffix(']') {
            Some(inside) => (rest.trim_end(), Some(inside)),
            None => return wrong("the `[` is not closed".to_owned()),
        },
        None => (text, None),
    };
    let mut fields = brackets.into_iter().flat_map(outside::commas);
    if let Some(field) = fields.find(|field| !field.contains('=')) {
        return wrong(format!("`{}` is not of the form `key=value`", field.trim()));
    }
    let (channel, rest) = rest
        .rsplit_once("::")
        .map_or((None, rest), |(channel, rest)| (Some(channel), rest));
    if channel.is_some_and(|name| self::channel(name).is_err()) {
        return wrong("what stands before `::` is no channel".to_owned());
    }
    let end = rest
        .find([' ', '=', '<', '>', '!', '~'])
        .unwrap_or(rest.len());
    let (name, version) = rest.split_at(end);
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if name.is_empty() || !name.chars().all(is_name) || name.starts_with(['-', '.']) {
        return wrong(format!("{name:?} is no name of a package"));
    }
    match constraint(version.trim_start()) {
        Ok(()) => Ok(()),
        Err(why) => wrong(why),
    }
}

/// What follows the name: a version, and a build.
fn constraint(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let (operator, rest) = operator(text);
    // `=1.26=py311*` and `1.26 py311*`: a version and a build.
    let at = match operator {
        "=" | "==" => ['=', ' '],
        _ => [' ', ' '],
    };
    let (version, build) = split_build(rest, at);
    let mut parts = version.split([',', '|']);
    self::version(operator, parts.next().unwrap_or_default())?;
    for part in parts {
        let (operator, version) = self::operator(part.trim());
        self::version(operator, version)?;
    }
    let is_build = |letter: char| letter.is_ascii_alphanumeric() || "._*+^$".contains(letter);
    match build {
        Some(build) if build.is_empty() || !build.chars().all(is_build) => {
            Err(format!("{build:?} is no build of a package"))
        }
        _ => Ok(()),
    }
}

/// All signs of comparison that a text begins with, and what follows them.
fn operator(text: &str) -> (&str, &str) {
    let rest = text.trim_start_matches(['=', '<', '>', '!', '~']);
    (&text[..text.len() - rest.len()], rest.trim_start())
}

fn split_build(text: &str, at: [char; 2]) -> (&str, Option<&str>) {
    // Spaces may stand within a version, after an operator or a comma.
    let is_end = |(index, letter): &(usize, char)| {
        at.contains(letter)
            && !text[..*index]
                .trim_end()
                .ends_with(['<', '>', '=', '!', '~', ',', '|'])
            && !text[*index..]
                .trim_start()
                .starts_with([',', '|', '<', '>', '!', '~'])
            && !(text[*index + 1..].starts_with('='))
    };
    match text.char_indices().find(is_end) {
        Some((index, _)) => (&text[..index], Some(text[index + 1..].trim())),
        None => (text, None),
    }
}

fn version(operator: &str, text: &str) -> Result<(), String> {
    if !["", ">=", "<=", "==", "!=", "~=", ">", "<", "="].contains(&operator) {
        return Err(format!("`{operator}` does not compare versions"));
    }
    let version = text.trim_end();
    if version.is_empty() {
        return Err("a version is missing".to_owned());
    }
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_+!-".contains(letter);
    // What a version begins with stands before a star, too: `1.26.*`, `1.26*`.
    let known = version.strip_suffix('*').unwrap_or(version);
    let known = known
        .strip_suffix('.')
        .filter(|_| known != version)
        .unwrap_or(known);
    let starts = version.starts_with(|letter: char| letter.is_ascii_digit() || letter == '*');
    let is_part = |part: &str| !part.is_empty() && part.chars().all(is_letter);
    match version == "*" || starts && known.split('.').all(is_part) {
        true => Ok(()),
        false => Err(format!("{version:?} is no version")),
    }
}

/// A channel: its name, an address, or a directory: `conda-forge`, `https://conda.example/own`, `./channel`.
pub(crate) fn channel(text: &str) -> Result<(), Fault> {
    let wrong = |why: &str, help: &str| {
        Err(Fault::new(format!("{text:?} is not a conda channel: {why}")).help(help))
    };
    if let Some((scheme, rest)) = text.split_once("://") {
        return match scheme {
            _ if rest.contains('@') => wrong(
                "an address with a user stands in the image’s record",
                "let a mirror that needs none hold the packages",
            ),
            "http" | "https" if !rest.is_empty() && !rest.contains(char::is_whitespace) => Ok(()),
            _ => wrong(
                "its address is not of HTTP",
                "write `https://…`, or the path of a directory",
            ),
        };
    }
    if text == "defaults" {
        return wrong(
            "it stands for several",
            "write `https://repo.anaconda.com/pkgs/main`, or `conda-forge`",
        );
    }
    if text.starts_with(['/', '.']) {
        return crate::text::local::path(text);
    }
    let is_part = |part: &str| {
        let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        !part.is_empty() && part.chars().all(good) && !part.starts_with('-')
    };
    match text.split('/').all(is_part) {
        true => Ok(()),
        false => wrong(
            "it is no name",
            "such as `conda-forge`, `https://conda.example/own` or `./channel`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn match_specs_are_told_from_other_texts() {
        for good in [
            "pytorch",
            "pytorch-cuda=12.1",
            "numpy==1.26.4",
            "numpy=1.26.*",
            "numpy =1.26",
            "numpy 1.26",
            "numpy 1.26 py311_0",
            "numpy=1.26=py311*",
            "python >=3.11,<3.13",
            "python >= 3.11, < 3.13",
            "python>=3.11|2.7.*",
            "a!=1.0",
            "a~=1.0",
            "conda-forge::curl",
            "https://conda.example/own::curl>=8",
            "numpy[version='>=1.26', build=py311_0]",
            "python[version=\">=3.10,<3.12\"]",
            "conda-forge::python[version='>=3.10,<3.12', channel='a::b']",
            "_libgcc_mutex",
            "r-base=4",
            "numpy == 1.26",
            "numpy=1.26*",
            "numpy *",
            "openssl=1!1.0.2a_1+local.2",
            "numpy=1.26|>=2.1,<3",
        ] {
            assert!(spec(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " numpy",
            "numpy ",
            "=1.0",
            "numpy=",
            "numpy==",
            "numpy>",
            "num py!",
            "numpy>=1,",
            "a b c d",
            "-numpy",
            "a::b::",
            "numpy[version",
            "numpy[version]",
            "numpy[version='>=1,<2', build]",
            "numpy=1.0=",
            "num/py",
            "numpy;python",
            "numpy=1 0 0",
            "numpy=>1",
            "numpy =>1",
            "numpy=>=1",
            "numpy===1",
            "numpy<>1",
            "numpy>=1,=<2",
            "numpy!1",
            "numpy=1..2",
            "numpy>=1.",
            "numpy=.1",
            "numpy=1..*",
            "numpy=1.*.2",
            "numpy=**",
            "ümlaut",
            "--freeze",
        ] {
            assert!(spec(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn channels_are_names_addresses_and_directories() {
        for good in [
            "conda-forge",
            "pytorch",
            "conda-forge/label/dev",
            "https://conda.example/own",
            "http://127.0.0.1:8000/own",
            "./channel",
            "/srv/channel",
        ] {
            assert!(channel(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "ftp://a/b",
            "https://",
            "https://u:p@a/b",
            "a//b",
            "-c",
        ] {
            assert!(channel(bad).is_err(), "{bad}");
        }
    }
}
