//! Requirements files, in the format of pip: lines that end in `\` go on, `#` begins a comment, `-r` and `-c` name further files.
//! All files become one text of requirements and one of constraints.

use std::mem;

use super::file::File;
use super::options;
use super::project::normal;
use crate::diag::Fault;
use crate::text::pep508;

/// What files and projects ask for, as it is handed to the installer.
#[derive(Default)]
pub(crate) struct Requirements {
    /// One requirement a line, and options that the installer reads there.
    pub(crate) text: String,
    /// What `-c` names.
    pub(crate) constraints: String,
    /// Options that it takes on its command line only.
    pub(crate) options: Vec<String>,
    /// The files that were read.
    pub(crate) files: Vec<String>,
    /// Requirements that name no exact version: their places and names.
    pub(crate) unpinned: Vec<String>,
}

/// Reads a requirements file and those that it names.
pub(crate) fn read(path: &str) -> Result<Requirements, Vec<Fault>> {
    let mut reader = Reader::default();
    match File::read(path) {
        Ok(file) => reader.file(&file, Use::Install),
        Err(fault) => reader.faults.push(fault),
    }
    let constrained: Vec<_> = reader
        .read
        .constraints
        .lines()
        .filter(|line| pep508::is_pinned(line))
        .map(|line| normal(pep508::name_and_extras(line).0))
        .collect();
    let is_loose = |(_, name): &(String, String)| !constrained.contains(name);
    let loose = reader.loose.into_iter().filter(is_loose);
    reader.read.unpinned = loose.map(|(place, _)| place).collect();
    match reader.faults.is_empty() {
        true => Ok(reader.read),
        false => Err(reader.faults),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Install,
    Constrain,
}

#[derive(Default)]
struct Reader {
    read: Requirements,
    faults: Vec<Fault>,
    /// Requirements without an exact version: their places, and the names of their packages.
    loose: Vec<(String, String)>,
    /// The files that are being read, the outermost first.
    open: Vec<String>,
}

impl Reader {
    fn file(&mut self, file: &File, purpose: Use) {
        if !self.read.files.contains(&file.path) {
            self.read.files.push(file.path.clone());
        }
        self.open.push(file.path.clone());
        for (number, line) in lines(&file.text) {
            if let Err(fault) = self.line(file, number, &line, purpose) {
                self.faults.push(fault);
            }
        }
        self.open.pop();
    }

    fn line(&mut self, file: &File, number: usize, line: &str, purpose: Use) -> Result<(), Fault> {
        let said = |fault: Fault| fault.after(&format!("{}:{number}: ", file.path));
        if line.starts_with('-') {
            return self.option(file, number, line, purpose);
        }
        let (requirement, hashes) = match line.find(" --") {
            Some(at) => line.split_at(at),
            None => (line, ""),
        };
        hash_options(hashes).map_err(said)?;
        let requirement = requirement.trim();
        local(requirement).map_err(said)?;
        pep508::line(requirement).map_err(said)?;
        if purpose == Use::Install && !pep508::is_pinned(requirement) {
            let place = format!("{}:{number}: `{requirement}`", file.path);
            let (name, _) = pep508::name_and_extras(requirement);
            self.loose.push((place, normal(name)));
        }
        self.add(line, purpose);
        Ok(())
    }

    fn add(&mut self, line: &str, purpose: Use) {
        let text = match purpose {
            Use::Install => &mut self.read.text,
            Use::Constrain => &mut self.read.constraints,
        };
        text.push_str(line);
        text.push('\n');
    }

    fn option(
        &mut self,
        file: &File,
        number: usize,
        line: &str,
        purpose: Use,
    ) -> Result<(), Fault> {
        let (name, value) = name_and_value(line);
        let needed = || match value {
            "" => Err(file.fault(number, &format!("the option `{name}` needs a value"))),
            value => Ok(value),
        };
        match name {
            "-r" | "--requirement" => self.include(file, number, needed()?, purpose),
            "-c" | "--constraint" => self.include(file, number, needed()?, Use::Constrain),
            "-e" | "--editable" => Err(file
                .fault(number, "an editable project is not in the build container")
                .help("copy it with `.copy_local_dir` and install it with `.run_commands`; one of a repository is written `NAME @ git+https://…`")),
            "-i" | "--index-url" | "--extra-index-url" => {
                let url = needed()?;
                options::index_url(url).map_err(|fault| fault.after(&format!("{}:{number}: ", file.path)))?;
                let name = if name == "-i" { "--index-url" } else { name };
                self.add(&format!("{name} {url}"), Use::Install);
                Ok(())
            }
            "-f" | "--find-links" => {
                let links = needed()?;
                options::find_links(links).map_err(|fault| fault.after(&format!("{}:{number}: ", file.path)))?;
                self.add(&format!("--find-links {links}"), Use::Install);
                Ok(())
            }
            "--no-index" => {
                self.add(name, Use::Install);
                Ok(())
            }
            "--no-binary" | "--only-binary" => {
                let packages = needed()?;
                self.add(&format!("{name} {packages}"), Use::Install);
                Ok(())
            }
            // The installer takes these on its command line only.
            "--pre" => self.command_line(&["--prerelease", "allow"]),
            "--require-hashes" => self.command_line(&[name]),
            "--trusted-host" => {
                let host = needed()?.to_owned();
                self.command_line(&["--allow-insecure-host", &host])
            }
            // It always does.
            "--prefer-binary" => Ok(()),
            _ => Err(file.fault(number, &format!("the option `{name}` is not known here")).help(
                "requirements files hold `-r`, `-c`, `--index-url`, `--extra-index-url`, `--find-links`, `--no-index`, `--no-binary`, \
                 `--only-binary`, `--pre`, `--require-hashes`, `--trusted-host` and `--prefer-binary`",
            )),
        }
    }

    fn command_line(&mut self, words: &[&str]) -> Result<(), Fault> {
        let known = self
            .read
            .options
            .windows(words.len())
            .any(|known| known == words);
        if !known {
            self.read
                .options
                .extend(words.iter().map(ToString::to_string));
        }
        Ok(())
    }

    fn include(
        &mut self,
        file: &File,
        number: usize,
        path: &str,
        purpose: Use,
    ) -> Result<(), Fault> {
        if path.contains("://") {
            let fault = file.fault(number, &format!("`{path}` is not a file of this machine"));
            return Err(fault.help("download it, and name the file"));
        }
        let path = file.beside(path);
        if self.open.contains(&path) {
            return Err(file.fault(number, &format!("`{path}` includes itself")));
        }
        let included =
            File::read(&path).map_err(|fault| fault.after(&format!("{}:{number}: ", file.path)))?;
        self.file(&included, purpose);
        Ok(())
    }
}

/// The lines that are not empty, with their numbers: joined where one ends in `\`, without comments.
fn lines(text: &str) -> Vec<(usize, String)> {
    let (mut lines, mut joined, mut first) = (Vec::new(), String::new(), 0);
    for (index, line) in text.lines().enumerate() {
        if joined.is_empty() {
            first = index + 1;
        }
        // A comment has no continuation.
        let line = without_comment(line);
        match line.strip_suffix('\\') {
            Some(part) => {
                joined.push_str(part);
                // So that the next line still belongs to it.
                joined.push(' ');
            }
            None => {
                joined.push_str(line);
                lines.push((first, mem::take(&mut joined)));
            }
        }
    }
    lines.push((first, joined));
    let trimmed = lines
        .into_iter()
        .map(|(number, line)| (number, line.trim().to_owned()));
    trimmed.filter(|(_, line)| !line.is_empty()).collect()
}

/// `#` begins a comment at the begin of a line and after white space; elsewhere it belongs to a URL.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| {
        line[..*at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    match line.match_indices('#').map(|(at, _)| at).find(begins) {
        Some(at) => &line[..at],
        None => line,
    }
}

/// `--name value`, `--name=value`, `-r value`, `-rvalue`
fn name_and_value(line: &str) -> (&str, &str) {
    let end = match line.starts_with("--") {
        true => line
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(line.len()),
        false => line.char_indices().nth(2).map_or(line.len(), |(at, _)| at),
    };
    let (name, value) = line.split_at(end);
    (name, value.trim_start_matches('=').trim())
}

/// `--hash=sha256:… --hash=sha256:…`
fn hash_options(text: &str) -> Result<(), Fault> {
    for word in text.split_whitespace() {
        let Some(hash) = word.strip_prefix("--hash=") else {
            let name = word.split('=').next().unwrap_or(word);
            return Err(Fault::new(format!("`{name}` cannot follow a requirement"))
                .help("a requirement may be followed by `--hash=sha256:…`"));
        };
        let length = match hash.split_once(':') {
            Some(("sha256", digits)) => Some((digits, 64)),
            Some(("sha384", digits)) => Some((digits, 96)),
            Some(("sha512", digits)) => Some((digits, 128)),
            _ => None,
        };
        let good = length.is_some_and(|(digits, length)| {
            digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if !good {
            return Err(Fault::new(format!("`{word}` is not a hash")).help(
                "a hash is `sha256:` and 64 hexadecimal digits, or `sha384:` or `sha512:` and theirs",
            ));
        }
    }
    Ok(())
}

/// Local projects and wheels are not where the installer runs.
fn local(requirement: &str) -> Result<(), Fault> {
    let is_path = requirement.starts_with(['.', '/', '~'])
        || !requirement.contains('@')
            && [".whl", ".tar.gz", ".zip"]
                .iter()
                .any(|end| requirement.ends_with(end))
            && !requirement.contains("://");
    match is_path {
        true => Err(Fault::new(format!("`{requirement}` is a path of this machine, and not in the build container"))
            .help("copy it into the image first, with `.copy_local_file` or `.copy_local_dir`, and write `NAME @ file:///…` with its path there")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(text: &str) -> Vec<(usize, String)> {
        lines(text)
    }

    #[test]
    fn lines_are_joined_and_comments_left_out() {
        let text = "# all\nnumpy==1.0  # why\n\nx==1 \\\n    --hash=sha256:aa \\\n  --hash=sha256:bb\ny @ https://h/y.zip#sha1=cc\r\nz";
        let expected = [
            (2, "numpy==1.0"),
            (4, "x==1      --hash=sha256:aa    --hash=sha256:bb"),
            (7, "y @ https://h/y.zip#sha1=cc"),
            (8, "z"),
        ];
        let read = numbered(text);
        assert_eq!(read.len(), 4, "{read:?}");
        for ((number, line), (at, wanted)) in read.iter().zip(expected) {
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!((*number, words(line)), (at, words(wanted)));
        }
    }

    #[test]
    fn options_are_read_in_all_their_forms() {
        for line in ["-r a.txt", "-ra.txt", "-r=a.txt"] {
            assert_eq!(name_and_value(line), ("-r", "a.txt"), "{line}");
        }
        for line in ["--index-url https://x", "--index-url=https://x"] {
            assert_eq!(name_and_value(line), ("--index-url", "https://x"), "{line}");
        }
        assert_eq!(name_and_value("--pre"), ("--pre", ""));
    }

    #[test]
    fn a_hash_is_an_algorithm_and_its_digits() {
        let good = format!(" --hash=sha256:{}", "a".repeat(64));
        assert_eq!(hash_options(&good), Ok(()));
        for bad in [
            "--hash=sha256:aa",
            "--hash=md5:aa",
            "--hash",
            "--no-binary x",
        ] {
            assert!(hash_options(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_of_this_machine_are_refused() {
        for bad in ["./x", "../x.whl", "/x", "wheels/x-1.0.whl", "~/x"] {
            assert!(local(bad).is_err(), "{bad}");
        }
        for good in ["x", "x @ file:///wheels/x.whl", "x @ https://h/x.whl"] {
            assert_eq!(local(good), Ok(()), "{good}");
        }
    }
}
