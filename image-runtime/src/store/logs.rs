//! What functions printed, kept after their programs have ended: one file for each program that printed something, which only grows;
//! once it has become long, another one beside it. The last two stay.
//!
//! A file is a line of JSON that says whose it is, and one for each line that was printed: when, in milliseconds since 1970, by which function,
//! in which container, and the line. A program holds the lock of its file for as long
//! as it writes to it; who removes a file holds the lock meanwhile. Files may go at any time while nobody holds theirs.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::age;
use super::lock::is_at;

/// How long a file may become. A program has two.
const LONGEST: u64 = 8 << 20;

/// How much those may take in all that nobody writes to any more.
const MOST: u64 = 64 << 20;

/// Whose file it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Owner {
    program: String,
    pid: u32,
}

/// What the functions of this program print. Nothing is made before they print something.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    file: Mutex<Option<Growing>>,
}

#[derive(Debug)]
struct Growing {
    file: File,
    path: PathBuf,
    length: u64,
    /// The file before this one.
    earlier: Option<PathBuf>,
}

impl Log {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            file: Mutex::default(),
        }
    }

    /// Keeps a line. It is in the file when this returns.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn keep(&self, function: &str, container: &str, line: &str) -> io::Result<()> {
        let mut text = serde_json::to_vec(&(now(), function, container, line))?;
        text.push(b'\n');
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let growing = match &mut *open {
            Some(growing) if growing.length < LONGEST => growing,
            Some(full) => {
                if let Some(earlier) = full.earlier.take() {
                    remove(&earlier)?;
                }
                let earlier = Some(full.path.clone());
                open.insert(Growing::create(&self.folder, earlier)?)
            }
            none => none.insert(Growing::create(&self.folder, None)?),
        };
        growing.append(&text)
    }
}

impl Growing {
    fn create(folder: &Path, earlier: Option<PathBuf>) -> io::Result<Self> {
        let pid = std::process::id();
        let (path, file) = loop {
            let path = folder.join(format!("{:013}-{pid}.log", now()));
            let mut options = OpenOptions::new();
            options.create_new(true).append(true).mode(0o600);
            match options.open(&path) {
                // Another machine, or another namespace, may have a process of the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                opened => {
                    if let Some(file) = locked(opened?, &path)? {
                        break (path, file);
                    }
                }
            }
        };
        let mut growing = Self {
            file,
            path,
            length: 0,
            earlier,
        };
        let program = std::env::args_os().next().unwrap_or_default();
        let program = Path::new(&program).file_name().unwrap_or_default();
        let mut owner = serde_json::to_vec(&Owner {
            program: program.to_string_lossy().into_owned(),
            pid,
        })?;
        owner.push(b'\n');
        growing.append(&owner)?;
        Ok(growing)
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        self.length += text.len() as u64;
        self.file.write_all(text)
    }
}

/// The file with its lock, so that nobody else writes to it, and who removes files leaves it alone. Nothing where another program was
/// quicker, and has removed it as nobody's.
fn locked(file: File, path: &Path) -> io::Result<Option<File>> {
    file.lock()?;
    Ok(is_at(&file, path)?.then_some(file))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A line that some function printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// By which function.
    pub function: String,
    /// In which container.
    pub container: String,
    /// The program that called it.
    pub program: String,
    /// That program's number.
    pub pid: u32,
    /// What it printed.
    pub line: String,
}

/// Reads what all programs keep, and what they have kept since.
#[derive(Debug)]
pub struct Logs {
    folder: PathBuf,
    /// How much of each file was read, and whose it is.
    read: HashMap<PathBuf, (u64, Owner)>,
}

impl Logs {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            read: HashMap::new(),
        }
    }

    /// The lines that were not read before, in the order of their times.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn more(&mut self) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for path in files(&self.folder) {
            match File::open(&path) {
                Ok(file) => self.read(path, file, &mut lines)?,
                // Removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        lines.sort_by_key(|line| line.at_ms);
        Ok(lines)
    }

    fn read(&mut self, path: PathBuf, mut file: File, lines: &mut Vec<Line>) -> io::Result<()> {
        let (read, owner) = self.read.entry(path).or_default();
        file.seek(SeekFrom::Start(*read))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // What has no end yet is being written, or was when its program was killed.
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |end| end + 1);
        *read += whole as u64;
        for json in text[..whole].split(|byte| *byte == b'\n') {
            if let Ok(said) = serde_json::from_slice(json) {
                *owner = said;
            } else if let Ok((at_ms, function, container, line)) = serde_json::from_slice(json) {
                lines.push(Line {
                    at_ms,
                    function,
                    container,
                    program: owner.program.clone(),
                    pid: owner.pid,
                    line,
                });
            }
        }
        Ok(())
    }
}

/// The files, oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Removes a file, unless another program was quicker.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes files that nobody writes to any more: those that were last written longer ago than `unused`, and the oldest while they
/// take too much in all. Answers how many.
pub(super) fn prune(folder: &Path, unused: Duration) -> usize {
    let mut ended: Vec<_> = files(folder)
        .into_iter()
        .filter_map(|path| {
            let file = File::open(&path).ok()?;
            file.try_lock().ok()?;
            let metadata = file.metadata().ok()?;
            // It stays locked until it is decided: whoever has just made it then waits, and sees that it is gone.
            Some((path, metadata, file))
        })
        .collect();
    let mut size: u64 = ended.iter().map(|(_, metadata, _)| metadata.len()).sum();
    ended.retain(|(path, metadata, file)| {
        let goes = size > MOST || age(file).is_ok_and(|age| age >= unused);
        let is_gone = goes && fs::remove_file(path).is_ok();
        if is_gone {
            size -= metadata.len();
        }
        is_gone
    });
    ended.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.line.as_str()).collect()
    }

    #[test]
    fn what_is_kept_is_read_once_in_order_and_torn_lines_when_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(folder.path().to_owned());
        let mut logs = Logs::new(folder.path().to_owned());
        assert!(logs.more().unwrap().is_empty());
        assert!(
            files(folder.path()).is_empty(),
            "no file before there is a line"
        );
        log.keep("add", "1a2b", "tab\tquote\" \u{1b}[1m").unwrap();
        log.keep("add", "1a2b", "").unwrap();
        let lines = logs.more().unwrap();
        assert_eq!(texts(&lines), ["tab\tquote\" \u{1b}[1m", ""]);
        assert_eq!(
            (&*lines[0].function, lines[0].pid),
            ("add", std::process::id())
        );
        let path = &files(folder.path())[0];
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"[1,\"add\",\"1a2b\",\"to").unwrap();
        assert!(logs.more().unwrap().is_empty());
        file.write_all(b"rn\"]\nnonsense\n").unwrap();
        assert_eq!(texts(&logs.more().unwrap()), ["torn"]);
    }

    #[test]
    fn a_program_that_prints_much_keeps_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(folder.path().to_owned());
        let mut logs = Logs::new(folder.path().to_owned());
        let line = "x".repeat(1 << 20);
        let mut read = 0;
        for number in 0..40 {
            log.keep("f", "c", &format!("{number} {line}")).unwrap();
            // Whoever follows loses nothing where a file takes the place of another.
            read += logs.more().unwrap().len();
        }
        assert_eq!(read, 40);
        let kept = files(folder.path());
        let size: u64 = kept.iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(size < 3 * LONGEST, "{kept:?}");
        let left = Logs::new(folder.path().to_owned()).more().unwrap();
        assert!(left.last().unwrap().line.starts_with("39 "));
    }

    #[test]
    fn only_what_nobody_writes_to_is_pruned() {
        let folder = tempfile::tempdir().unwrap();
        let living = Log::new(folder.path().to_owned());
        living.keep("f", "c", "living").unwrap();
        let ended = Log::new(folder.path().to_owned());
        ended.keep("f", "c", "ended").unwrap();
        drop(ended);
        assert_eq!(prune(folder.path(), Duration::from_secs(60)), 0);
        assert_eq!(prune(folder.path(), Duration::ZERO), 1);
        let mut logs = Logs::new(folder.path().to_owned());
        assert_eq!(texts(&logs.more().unwrap()), ["living"]);
    }

    #[test]
    fn what_was_written_before_the_clock_went_back_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(folder.path().to_owned());
        log.keep("f", "c", "line").unwrap();
        drop(log);
        let later = SystemTime::now() + Duration::from_secs(3600);
        let file = File::open(&files(folder.path())[0]).unwrap();
        file.set_modified(later).unwrap();
        assert_eq!(prune(folder.path(), Duration::from_secs(1)), 0);
        assert_eq!(prune(folder.path(), Duration::ZERO), 1);
    }

    #[test]
    fn a_program_goes_on_where_another_one_has_removed_its_earlier_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(folder.path().to_owned());
        let line = "x".repeat(1 << 20);
        for number in 0..30 {
            log.keep("f", "c", &format!("{number} {line}")).unwrap();
            // It takes all but the one that is being written.
            prune(folder.path(), Duration::ZERO);
        }
        let left = Logs::new(folder.path().to_owned()).more().unwrap();
        assert!(left.last().unwrap().line.starts_with("29 "));
    }

    #[test]
    fn a_file_that_was_removed_before_it_was_locked_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let made = File::create_new(&path).unwrap();
        // As `prune` has it, until it has removed the file.
        let pruned = File::open(&path).unwrap();
        pruned.lock().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| locked(made, &path).unwrap());
            fs::remove_file(&path).unwrap();
            drop(pruned);
            assert!(waiting.join().unwrap().is_none());
        });
        let again = File::create_new(&path).unwrap();
        assert!(locked(again, &path).unwrap().is_some());
    }
}
