//! Requirements of Python packages (PEP 508): `name[extras] >=1.0, <2 ; marker` and `name @ url ; marker`.

use super::pep440;
use crate::diag::{Fault, list};

/// What a marker can ask for; the last ones are the old spellings that pip and uv still read.
const MARKER_VARIABLES: &[&str] = &[
    "python_version",
    "python_full_version",
    "os_name",
    "sys_platform",
    "platform_release",
    "platform_system",
    "platform_version",
    "platform_machine",
    "platform_python_implementation",
    "implementation_name",
    "implementation_version",
    "extra",
    "os.name",
    "sys.platform",
    "platform.version",
    "platform.machine",
    "platform.python_implementation",
    "python_implementation",
];

const MARKER_OPERATORS: &[&str] = &["===", "~=", "==", "!=", "<=", ">=", "<", ">"];

/// A requirement as `pip_install` takes it.
pub(crate) fn requirement(text: &str) -> Result<(), Fault> {
    check(text, |each| {
        let each: Vec<_> = each.iter().map(|one| format!("{one:?}")).collect();
        format!("one string a requirement: `{}`", each.join(", "))
    })
}

/// A requirement as a line of a file.
pub(crate) fn line(text: &str) -> Result<(), Fault> {
    check(text, |each| {
        format!("one line a requirement: {}", list(each))
    })
}

/// Checks a requirement; `apart` says how several of them are written.
fn check(text: &str, apart: impl Fn(&[&str]) -> String) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("a requirement must not be empty"));
    }
    parse(text).map_err(|reason| {
        Fault::new(format!("{text:?} is not a requirement (PEP 508): {reason}"))
            .maybe_help(usual_mistake(text, apart))
    })
}

/// The name of an extra or of a dependency group.
pub(crate) fn extra(text: &str) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    match identifier(&mut scanner, "a name") {
        Ok(()) if scanner.is_empty() => Ok(()),
        Ok(()) => Err(Fault::new(format!(
            "{text:?} is no name: unexpected {}",
            scanner.found()
        ))),
        Err(reason) => Err(Fault::new(reason)),
    }
}

/// Whether a right requirement names one exact version, or a URL.
pub(crate) fn is_pinned(text: &str) -> bool {
    let text = text.split(';').next().unwrap_or(text);
    let exact = |comparison: &str| {
        let comparison = comparison.trim_matches(|c: char| c.is_whitespace() || "()".contains(c));
        comparison.starts_with("===") || comparison.starts_with("==") && !comparison.ends_with(".*")
    };
    match text.find(['<', '>', '=', '!', '~', '@']) {
        Some(at) => text[at..].starts_with('@') || text[at..].split(',').any(exact),
        None => false,
    }
}

/// The name and the extras of a right requirement.
pub(crate) fn name_and_extras(text: &str) -> (&str, Vec<&str>) {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let list = rest
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    let extras = list
        .map_or("", |(extras, _)| extras)
        .split(',')
        .map(str::trim);
    (name, extras.filter(|extra| !extra.is_empty()).collect())
}

fn parse(text: &str) -> Result<(), String> {
    let mut scanner = Scanner::new(text);
    scanner.skip_space();
    identifier(&mut scanner, "a package name")?;
    scanner.skip_space();
    extras(&mut scanner)?;
    scanner.skip_space();
    let url = scanner.eat("@");
    if url {
        scanner.skip_space();
        let url = scanner.take_while(|c| !c.is_whitespace());
        if !url.contains(':') {
            return Err("a URL is expected after `@`".to_owned());
        }
    } else if scanner.eat("(") {
        comparisons(&mut scanner)?;
        if !scanner.eat(")") {
            return Err("`)` is missing".to_owned());
        }
    } else if !scanner.is_empty() && !scanner.rest().starts_with(';') {
        comparisons(&mut scanner)?;
    }
    scanner.skip_space();
    if scanner.eat(";") {
        either(&mut scanner)?;
        scanner.skip_space();
    }
    match scanner.is_empty() {
        true => Ok(()),
        false => Err(format!("unexpected {}", scanner.found())),
    }
}

/// The right form of what people write instead.
fn usual_mistake(text: &str, apart: impl Fn(&[&str]) -> String) -> Option<String> {
    let text = text.trim();
    let words: Vec<_> = text.split_whitespace().collect();
    let is_name = |word: &str| identifier(&mut Scanner::new(word), "").is_ok();
    // What is advised must be right itself.
    let right = |text: String| parse(&text).is_ok().then(|| format!("write `{text}`"));
    let turned = text.replace("=>", ">=").replace("=<", "<=");
    if let ["-r" | "--requirement", file] = words.as_slice() {
        Some(format!(
            "`pip_install_from_requirements({file:?})` installs what a file names"
        ))
    } else if text.starts_with('-') {
        Some("options of pip are no requirements: write them in `extra_options`".to_owned())
    } else if text.starts_with("git+") || text.contains("://") && !text.contains('@') {
        Some(format!("write `NAME @ {text}`"))
    } else if turned != text {
        right(turned)
    } else if let Some((name, version)) = text.split_once('=')
        && !version.contains('=')
        && !name.ends_with(['<', '>', '!', '~', '='])
    {
        right(format!("{}=={}", name.trim(), version.trim()))
    } else if let [name, version] = words.as_slice()
        && is_name(name)
        && version.starts_with(|c: char| c.is_ascii_digit())
    {
        right(format!("{name}=={version}"))
    } else {
        several(text).map(|each| apart(&each))
    }
}

/// The requirements of a text that holds more than one.
fn several(text: &str) -> Option<Vec<&str>> {
    let by_space = text.split_whitespace();
    let by_space: Vec<_> = by_space.map(|word| word.trim_end_matches(',')).collect();
    let by_comma: Vec<_> = text.split(',').map(str::trim).collect();
    let are_requirements =
        |parts: &Vec<&str>| parts.len() > 1 && parts.iter().all(|part| parse(part).is_ok());
    [by_space, by_comma].into_iter().find(are_requirements)
}

/// `[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?`, of any case.
fn identifier(scanner: &mut Scanner<'_>, what: &str) -> Result<(), String> {
    let name = scanner.take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if name.is_empty() {
        return Err(format!("{what} is expected, found {}", scanner.found()));
    }
    let ends = |c: char| c.is_ascii_alphanumeric();
    match name.starts_with(ends) && name.ends_with(ends) {
        true => Ok(()),
        false => Err(format!(
            "`{name}` must start and end with a letter or a digit"
        )),
    }
}

fn extras(scanner: &mut Scanner<'_>) -> Result<(), String> {
    if !scanner.eat("[") {
        return Ok(());
    }
    scanner.skip_space();
    if scanner.eat("]") {
        return Ok(());
    }
    loop {
        scanner.skip_space();
        identifier(scanner, "an extra")?;
        scanner.skip_space();
        if scanner.eat("]") {
            return Ok(());
        }
        if !scanner.eat(",") {
            return Err("`]` is missing".to_owned());
        }
    }
}

fn comparisons(scanner: &mut Scanner<'_>) -> Result<(), String> {
    loop {
        scanner.skip_space();
        pep440::comparison(scanner)?;
        scanner.skip_space();
        if !scanner.eat(",") {
            return Ok(());
        }
        scanner.skip_space();
        // A comma may end the list.
        if scanner.is_empty() || scanner.rest().starts_with([';', ')']) {
            return Ok(());
        }
    }
}

/// `marker or marker`
fn either(scanner: &mut Scanner<'_>) -> Result<(), String> {
    joined(scanner, "or", |scanner| joined(scanner, "and", one_marker))
}

fn joined(
    scanner: &mut Scanner<'_>,
    word: &str,
    item: impl Fn(&mut Scanner<'_>) -> Result<(), String>,
) -> Result<(), String> {
    loop {
        item(scanner)?;
        scanner.skip_space();
        if !scanner.eat_word(word) {
            return Ok(());
        }
    }
}

/// `variable operator "text"`, either side being either, or a marker in parentheses.
fn one_marker(scanner: &mut Scanner<'_>) -> Result<(), String> {
    scanner.skip_space();
    if scanner.eat("(") {
        either(scanner)?;
        scanner.skip_space();
        return match scanner.eat(")") {
            true => Ok(()),
            false => Err("`)` is missing in the marker".to_owned()),
        };
    }
    let left = marker_value(scanner)?;
    scanner.skip_space();
    if scanner.eat_word("not") {
        scanner.skip_space();
        if !scanner.eat_word("in") {
            return Err("`in` is expected after `not` in the marker".to_owned());
        }
    } else if !scanner.eat_word("in") && !MARKER_OPERATORS.iter().any(|o| scanner.eat(o)) {
        return Err(format!(
            "a comparison is expected in the marker, found {}",
            scanner.found()
        ));
    }
    scanner.skip_space();
    let right = marker_value(scanner)?;
    match (left, right) {
        (Side::Text, Side::Text) => {
            Err("a marker must compare a variable such as `python_version`".to_owned())
        }
        _ => Ok(()),
    }
}

enum Side {
    Variable,
    Text,
}

fn marker_value(scanner: &mut Scanner<'_>) -> Result<Side, String> {
    for quote in ["'", "\""] {
        if scanner.eat(quote) {
            scanner.take_while(|c| !quote.contains(c));
            return match scanner.eat(quote) {
                true => Ok(Side::Text),
                false => Err("the marker ends inside a string".to_owned()),
            };
        }
    }
    let word = scanner.take_while(|c| c.is_ascii_alphanumeric() || "._".contains(c));
    if MARKER_VARIABLES.contains(&word) {
        return Ok(Side::Variable);
    }
    Err(match word {
        "" => format!(
            "a marker variable or a string is expected, found {}",
            scanner.found()
        ),
        _ => match crate::diag::nearest(word, MARKER_VARIABLES.iter().copied()) {
            Some(nearest) => format!("`{word}` is no marker variable; `{nearest}` is"),
            None => format!("`{word}` is no marker variable"),
        },
    })
}

/// The rest of a text that is read from left to right.
#[derive(Clone)]
pub(super) struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes `text` if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        self.0
            .strip_prefix(text)
            .inspect(|rest| self.0 = rest)
            .is_some()
    }

    /// Takes `word` if it comes next and ends there.
    fn eat_word(&mut self, word: &str) -> bool {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let rest = self.0.strip_prefix(word).filter(|rest| ends(rest));
        rest.inspect(|rest| self.0 = rest).is_some()
    }

    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    pub(super) fn skip_space(&mut self) {
        self.0 = self.0.trim_start();
    }

    /// What comes next, for people.
    pub(super) fn found(&self) -> String {
        match self.0.trim() {
            "" => "the end".to_owned(),
            rest => format!("`{rest}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_of_pep_508() {
        for good in [
            "A",
            "A.B-C_D",
            "aa",
            "name",
            "name<=1",
            "name>=3",
            "name>=3,",
            "name>=3,<2",
            "numpy==2.2.6",
            "name@http://foo.com",
            "name [fred,bar] @ http://foo.com ; python_version=='2.7'",
            "name[quux, strange];python_version<'2.7' and platform_version=='2'",
            "name; os_name=='a' or os_name=='b'",
            "name; os_name=='a' and os_name=='b' or os_name=='c'",
            "name; os_name=='a' and (os_name=='b' or os_name=='c')",
            "name; (os_name=='a' or os_name=='b') and os_name=='c'",
            "requests [security,tests] >= 2.8.1, == 2.8.* ; python_version < \"2.7\"",
            "pip @ https://github.com/pypa/pip/archive/1.3.1.zip#sha1=da9234ee9982d4bbb3c72346a6de940a148ea686",
            "pip @ git+https://github.com/pypa/pip@main",
            "x @ file:///tmp/x.whl",
            "name (>=1.0,<2)",
            "name(==1)",
            "name[]",
            " name ",
            "name ; 'linux' in sys_platform",
            "name; sys_platform not in 'win32 darwin'",
            "torch==2.1.0+cu121",
            "name; \"3\" <= python_version",
            "a1",
            "zope.interface~=5.4",
            "x===weird",
            "name; extra == 'test'",
            "name ;os.name == 'posix'",
        ] {
            assert_eq!(requirement(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn anything_else_is_no_requirement() {
        for bad in [
            "",
            " ",
            "-r requirements.txt",
            "--index-url x",
            "_a",
            "a_",
            "a.",
            "numpy=1.0",
            "numpy 1.0",
            "numpy pandas",
            "numpy==",
            "numpy>=1 <2",
            "numpy[",
            "numpy[a",
            "numpy[a b]",
            "numpy[,]",
            "name @",
            "name @ foo",
            "name (>=1",
            "name; ",
            "name; python_version",
            "name; python_version >",
            "name; pythn_version > '3'",
            "name; 'a' == 'b'",
            "name; python_version > '3",
            "name; (os_name=='a'",
            "name; python_version > '3' and",
            "name; os_name notin 'a'",
            "git+https://github.com/x/y",
            "https://x/y.whl",
            "./local",
            "name;python_version>'3' x",
            "name==1;;",
            "é",
            "name>=1.*",
            "name~=1",
            "name=>1",
            "name==1.0,,<2",
            "name; os_name = 'a'",
        ] {
            assert!(requirement(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn usual_mistakes_are_met_with_the_right_form() {
        for (bad, help) in [
            ("numpy=1.0", "write `numpy==1.0`"),
            ("numpy 1.0", "write `numpy==1.0`"),
            (
                "numpy pandas",
                "one string a requirement: `\"numpy\", \"pandas\"`",
            ),
            (
                "numpy==1.26.0, pandas==2.0",
                "one string a requirement: `\"numpy==1.26.0\", \"pandas==2.0\"`",
            ),
            (
                "numpy,pandas >=2",
                "one string a requirement: `\"numpy\", \"pandas >=2\"`",
            ),
            ("numpy=>2", "write `numpy>=2`"),
            ("numpy =< 2, != 1.9", "write `numpy <= 2, != 1.9`"),
            ("git+https://x/y", "write `NAME @ git+https://x/y`"),
            (
                "-r requirements.txt",
                "`pip_install_from_requirements(\"requirements.txt\")` installs what a file names",
            ),
            (
                "--no-deps",
                "options of pip are no requirements: write them in `extra_options`",
            ),
        ] {
            let text = requirement(bad).unwrap_err().text();
            assert!(text.ends_with(&format!("help: {help}")), "{text}");
        }
    }

    #[test]
    fn exact_versions_and_urls_are_pinned() {
        for pinned in [
            "a==1.0",
            "a[b] == 1.0 ; os_name == 'x'",
            "a===x",
            "a (==1)",
            "a @ https://x/y",
            "a>=1,==1.2",
        ] {
            assert!(is_pinned(pinned), "{pinned}");
        }
        for loose in [
            "a",
            "a[b]",
            "a>=1.0",
            "a~=1.0",
            "a==1.*",
            "a!=1.0",
            "a; python_version == '3.8'",
        ] {
            assert!(!is_pinned(loose), "{loose}");
        }
    }

    #[test]
    fn names_and_extras_are_found() {
        assert_eq!(
            name_and_extras("a.b-c [x, y]>=1"),
            ("a.b-c", vec!["x", "y"])
        );
        assert_eq!(name_and_extras("a==1"), ("a", vec![]));
    }

    #[test]
    fn in_a_file_each_requirement_has_its_line() {
        let help = |text| line(text).unwrap_err().text();
        assert!(
            help("numpy pandas").ends_with("help: one line a requirement: `numpy` and `pandas`")
        );
        assert!(help("numpy 1.0").ends_with("help: write `numpy==1.0`"));
    }

    #[test]
    fn what_would_be_wrong_itself_is_not_advised() {
        for bad in ["numpy=latest", "numpy=>", "numpy 1.x.y"] {
            let text = requirement(bad).unwrap_err().text();
            assert!(!text.contains("help: "), "{text}");
        }
    }
}
