//! Versions of Python packages (PEP 440) and comparisons with them.

use super::pep508::Scanner;

/// The comparisons, longest first, so that `===` is not read as `==`.
const OPERATORS: &[&str] = &["===", "~=", "==", "!=", "<=", ">=", "<", ">"];

/// A comparison such as `>=2.0` or `==1.*`; the error is a reason.
pub(super) fn comparison(scanner: &mut Scanner<'_>) -> Result<(), String> {
    let Some(operator) = OPERATORS.iter().find(|operator| scanner.eat(operator)) else {
        return Err(if scanner.eat("=") {
            "versions are compared with `==`, not with `=`".to_owned()
        } else {
            format!("a comparison is expected, found {}", scanner.found())
        });
    };
    scanner.skip_space();
    let text = scanner.take_while(|c| !c.is_whitespace() && !",;)".contains(c));
    if text.is_empty() {
        return Err(format!("a version is expected after `{operator}`"));
    }
    if *operator == "===" {
        return Ok(());
    }
    let not = |reason: &str| Err(format!("`{operator}{text}`: {reason}"));
    let (version, wildcard) = match text.strip_suffix(".*") {
        Some(version) => (version, true),
        None => (text, false),
    };
    let Some(version) = Version::parse(version) else {
        return not("not a version (PEP 440)");
    };
    let equality = matches!(*operator, "==" | "!=");
    if wildcard && !equality {
        return not("`.*` goes with `==` and `!=` only");
    }
    if wildcard && version.dev_or_local {
        return not("`.*` cannot follow a dev or a local part");
    }
    if version.local && (!equality || wildcard) {
        return not("a local version (`+…`) goes with `==` and `!=` only");
    }
    if *operator == "~=" && version.release_parts < 2 {
        return not("`~=` needs at least two numbers");
    }
    Ok(())
}

/// What of a version matters to comparisons.
struct Version {
    release_parts: usize,
    /// A dev or a local part, which no `.*` can follow.
    dev_or_local: bool,
    local: bool,
}

impl Version {
    /// The grammar of PEP 440, appendix B, which allows more than the normal form.
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let mut scanner = Scanner::new(&text);
        scanner.eat("v");
        if let Some((epoch, _)) = text.split_once('!') {
            let epoch = epoch.trim_start_matches('v');
            if !is_number(epoch) {
                return None;
            }
            scanner.eat(epoch);
            scanner.eat("!");
        }
        let release_parts = release(&mut scanner)?;
        suffix(
            &mut scanner,
            &["alpha", "beta", "preview", "pre", "rc", "a", "b", "c"],
        );
        if !implicit_post(&mut scanner) {
            suffix(&mut scanner, &["post", "rev", "r"]);
        }
        let dev = suffix(&mut scanner, &["dev"]);
        let local = scanner.eat("+");
        if local {
            let rest = scanner.take_while(|_| true);
            let part = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric());
            if !rest.split(['.', '-', '_']).all(part) {
                return None;
            }
        }
        scanner.is_empty().then_some(Self {
            release_parts,
            dev_or_local: dev || local,
            local,
        })
    }
}

/// `N(.N)*`; how many numbers.
fn release(scanner: &mut Scanner<'_>) -> Option<usize> {
    let mut parts = 0;
    loop {
        if scanner.take_while(|c| c.is_ascii_digit()).is_empty() {
            return None;
        }
        parts += 1;
        if !scanner.rest().starts_with('.')
            || !scanner.rest()[1..].starts_with(|c: char| c.is_ascii_digit())
        {
            return Some(parts);
        }
        scanner.eat(".");
    }
}

/// `[-_.]?name[-_.]?N?`
fn suffix(scanner: &mut Scanner<'_>, names: &[&str]) -> bool {
    let mut ahead = scanner.clone();
    separator(&mut ahead);
    if !names.iter().any(|name| ahead.eat(name)) {
        return false;
    }
    *scanner = ahead.clone();
    separator(&mut ahead);
    if !ahead.take_while(|c| c.is_ascii_digit()).is_empty() {
        *scanner = ahead;
    }
    true
}

/// `-N`, short for a post-release.
fn implicit_post(scanner: &mut Scanner<'_>) -> bool {
    let mut ahead = scanner.clone();
    let found = ahead.eat("-") && !ahead.take_while(|c| c.is_ascii_digit()).is_empty();
    if found {
        *scanner = ahead;
    }
    found
}

fn separator(scanner: &mut Scanner<'_>) {
    let _ = scanner.eat(".") || scanner.eat("-") || scanner.eat("_");
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_pep_440() {
        for good in [
            "1",
            "1.0",
            "2012.4",
            "1.0a1",
            "1.0.dev456",
            "1.0a2.dev456",
            "1.0b1.dev456",
            "1.0b2.post345",
            "1.0b2.post345.dev456",
            "1.0rc1",
            "1.0c1",
            "1.0+abc.5",
            "1.0+5",
            "1.0.post456",
            "1.0.post456.dev34",
            "1.1.dev1",
            "1!1.0",
            "1!1.2+123456",
            "v1.0",
            "1.1RC1",
            "1.1-a1",
            "1.1.a.1",
            "1.1a",
            "1.2.post",
            "1.2-post2",
            "1.0-1",
            "1.0-r4",
            "1.2dev",
            "1.0+ubuntu-1_x",
            "1.0alpha1",
            "1.0-preview-2",
            "01.02",
        ] {
            assert!(Version::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "french toast",
            "a",
            "1.",
            ".1",
            "1..0",
            "1.0+",
            "1.0+a+b",
            "1.0+_x",
            "!1.0",
            "x!1.0",
            "1.0x",
            "1.0-",
            "1.0.dev1.a1",
            "1.0*",
            "1.0 1",
        ] {
            assert!(Version::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn comparisons_of_pep_440() {
        for good in [
            "==1.0",
            "== 1.0",
            "==1.*",
            "!=1.0a1.*",
            ">=1",
            "~=2.2",
            "~= 1.4.5a4",
            "===anything-goes",
            "<2.0.dev1",
            "==1.0+local",
            "!=1!1.0",
        ] {
            assert_eq!(comparison(&mut Scanner::new(good)), Ok(()), "{good}");
        }
        for bad in [
            "=1.0",
            "1.0",
            "==",
            ">=1.*",
            "~=1",
            "~=1.0+x",
            ">1+x",
            "==1.0.dev1.*",
            "==1.0+x.*",
            "==x",
            "=>1.0",
        ] {
            assert!(comparison(&mut Scanner::new(bad)).is_err(), "{bad}");
        }
    }
}
