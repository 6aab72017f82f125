//! Standalone Pythons, of archives that are made of the CPythons of this machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use image_runtime::digest::Digest;

use crate::support::{Program, engine, program};

/// A CPython of this machine.
struct Cpython {
    prefix: PathBuf,
    version: String,
}

/// Directories that hold CPythons: `IMAGE_TESTS_PYTHONS`, or those of pyenv.
fn prefixes() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("IMAGE_TESTS_PYTHONS") {
        return std::env::split_paths(&named).collect();
    }
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(std::env::home_dir()?.join(".pyenv")));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok());
    versions
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// The newest CPython of each series that is at hand.
fn cpythons() -> BTreeMap<String, Cpython> {
    let mut found = BTreeMap::<String, Cpython>::new();
    for prefix in prefixes() {
        let print = "import platform; print(platform.python_version())";
        let python = Command::new(prefix.join("bin/python3"))
            .args(["-c", print])
            .output();
        let Ok(output) = python else { continue };
        let version = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let Some((series, _)) = version.rsplit_once('.') else {
            continue;
        };
        found.insert(series.to_owned(), Cpython { prefix, version });
    }
    found
}

impl Cpython {
    fn series(&self) -> &str {
        self.version.rsplit_once('.').unwrap().0
    }

    fn archive_name(&self, release: &str) -> String {
        let architecture = std::env::consts::ARCH;
        let version = &self.version;
        format!("cpython-{version}+{release}-{architecture}-unknown-linux-gnu-install_only.tar.gz")
    }

    /// Writes an archive in the layout of python-build-standalone; answers its SHA-256.
    fn pack(&self, archive: &Path) -> Digest {
        let series = self.series();
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let program = format!("bin/python{series}");
        let mut library = self.runs_where_it_lies(&program);
        append(&mut tar, &program, 0o755, &library);
        for entry in fs::read_dir(self.prefix.join("lib")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with("libpython") && name.ends_with(".so.1.0") {
                library = self.runs_where_it_lies(&format!("lib/{name}"));
                append(&mut tar, &format!("lib/{name}"), 0o755, &library);
            }
        }
        self.pack_directory(&mut tar, &format!("lib/python{series}"));
        let bytes = tar.into_inner().unwrap().finish().unwrap();
        File::create(archive).unwrap().write_all(&bytes).unwrap();
        Digest::of(&bytes)
    }

    /// A program that finds its library beside it, instead of where it was built for.
    fn runs_where_it_lies(&self, path: &str) -> Vec<u8> {
        let mut bytes = fs::read(self.prefix.join(path)).unwrap();
        let built_for = format!("{}\0", self.prefix.join("lib").display()).into_bytes();
        let at = bytes
            .windows(built_for.len())
            .position(|window| window == built_for);
        if let Some(at) = at {
            let mut beside = b"$ORIGIN/../lib".to_vec();
            beside.resize(built_for.len(), 0);
            bytes[at..at + built_for.len()].copy_from_slice(&beside);
        }
        bytes
    }

    fn pack_directory(&self, tar: &mut Tar, path: &str) {
        let mut entries: Vec<_> = fs::read_dir(self.prefix.join(path))
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().into_string().unwrap();
            let left_out = [
                "__pycache__",
                "test",
                "site-packages",
                "idlelib",
                "ensurepip",
            ];
            let kind = entry.file_type().unwrap();
            let path = format!("{path}/{name}");
            if left_out.contains(&&*name) || name.starts_with("config-") {
            } else if kind.is_dir() {
                self.pack_directory(tar, &path);
            } else if kind.is_file() {
                append(tar, &path, 0o644, &fs::read(entry.path()).unwrap());
            }
        }
    }
}

type Tar = tar::Builder<GzEncoder<Vec<u8>>>;

/// Alike in each run, so that layers are.
fn append(tar: &mut Tar, path: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_mtime(1_700_000_000);
    // Whoever built the archive is nobody in an image.
    header.set_uid(1234);
    header.set_gid(1234);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, format!("python/{path}"), content)
        .unwrap();
}

fn pythons(arguments: &[&str], mirror: &str) -> Program {
    program(env!("CARGO_BIN_EXE_pythons"), arguments).env("IMAGE_PYTHON_MIRROR", mirror)
}

#[test]
fn each_series_runs_from_the_mirror_and_installs_packages() {
    if !engine() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut sums, cpythons) = (String::new(), cpythons());
    let release = folder.path().join("20240107");
    fs::create_dir(&release).unwrap();
    for cpython in cpythons.values() {
        let name = cpython.archive_name("20240107");
        // One lies in the folder of its release with a list of checksums, one has its own, the others have none.
        match cpython.series() {
            "3.12" => {
                let sum = cpython.pack(&release.join(&name));
                sums = format!("{}  other.tar.gz\n{sum}  {name}\n", Digest::of(b"other"));
            }
            "3.13" => {
                let sum = cpython.pack(&folder.path().join(&name));
                let file = folder.path().join(format!("{name}.sha256"));
                fs::write(file, format!("{sum}\n")).unwrap();
            }
            "3.10" | "3.11" => drop(cpython.pack(&folder.path().join(&name))),
            _ => {}
        }
    }
    fs::write(release.join("SHA256SUMS"), sums).unwrap();
    let mirror = folder.path().to_str().unwrap();
    for (image, function, series, pip) in [
        ("TEN", "in_ten", "3.10", "24.2"),
        ("ELEVEN", "in_eleven", "3.11", "24.2"),
        ("TWELVE", "in_twelve", "3.12", "24.2"),
        ("THIRTEEN", "in_thirteen", "3.13", "24.2"),
        ("ADDED", "in_added", "3.12", "24.2"),
        ("IN_DOCKERFILE", "in_dockerfile", "3.13", "24.2"),
    ] {
        let Some(cpython) = cpythons.get(series) else {
            tests::is_for(&format!("a CPython {series} in IMAGE_TESTS_PYTHONS"), false);
            continue;
        };
        let version = &cpython.version;
        let built = pythons(&["build", image, "--pull"], mirror).run().good();
        let said = format!("{image}: Python {version} is a standalone one, from {mirror}");
        let line = built.stderr.lines().find(|line| line.contains(&said));
        let line = line.unwrap_or_else(|| panic!("{}", built.stderr));
        let is_trusted = matches!(series, "3.10" | "3.11");
        assert_eq!(line.contains("trusted"), is_trusted, "{line}");
        let called = pythons(&["call", function], mirror).run().good();
        assert_eq!(
            called.stdout.trim().trim_matches('"'),
            format!("{version} pip=={pip} six==1.17.0 /usr/local/bin/python")
        );
        if image == "THIRTEEN" {
            let url = serve(folder.path());
            let again = pythons(&["build", image, "--pull"], &url).run().good();
            let said = format!("Python {version} is a standalone one, from {url}");
            assert!(again.stderr.contains(&said), "{}", again.stderr);
            // What is the same is not made again.
            assert!(!again.stderr.contains("unpacking"), "{}", again.stderr);
        }
    }
}

/// Serves the files of a folder, and a page of links for the folder itself, to the end of the test; answers the address.
fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/pythons", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let _ = answer(&folder, connection.unwrap());
        }
    });
    url
}

fn answer(folder: &Path, mut connection: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let name = path.trim_start_matches("/pythons/").replace("%2B", "+");
    let content = match name.as_str() {
        "" => fs::read_dir(folder)?
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| format!("<a href=\"{}\">{name}</a>\n", name.replace('+', "%2B")))
            .collect::<String>()
            .into_bytes(),
        name => match fs::read(folder.join(name)) {
            Ok(content) => content,
            Err(_) => {
                return connection.write_all(
                    b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                );
            }
        },
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(&content)
}

#[test]
fn an_archive_that_is_not_what_the_mirror_says_is_refused() {
    if !engine() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let python = Cpython {
        prefix: PathBuf::new(),
        version: "3.12.99".to_owned(),
    };
    let archive = folder.path().join(python.archive_name("20240107"));
    fs::write(&archive, "no archive").unwrap();
    let mirror = folder.path().to_str().unwrap();
    let build = || pythons(&["build", "TWELVE", "--pull"], mirror).run();
    build().with(1, &["standalone Python 3.12.99"]);
    let mut sums = File::create(folder.path().join("SHA256SUMS")).unwrap();
    let name = archive.file_name().unwrap().to_str().unwrap();
    writeln!(sums, "{} *{name}", Digest::of(b"another")).unwrap();
    io::Write::flush(&mut sums).unwrap();
    build().with(1, &["wrong checksum"]);
}

#[test]
fn a_python_that_is_nowhere_is_told_with_what_to_do() {
    if !engine() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().to_str().unwrap();
    pythons(&["build", "THIRTEEN", "--pull"], mirror)
        .run()
        .with(
            1,
            &[
                "Python 3.13 cannot be had",
                "help: write `python_version = \"3.11\"`",
                "IMAGE_PYTHON_MIRROR",
                "has no standalone Python 3.13 for",
            ],
        );
}
