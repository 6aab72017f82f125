//! What a mirror has: the files of a directory, or the links of a server's pages.

use std::io;
use std::path::Path;

use crate::base::download::{DownloadError, Downloads};

/// The longest page of links that is read.
const LONGEST: u64 = 16 << 20;

/// A file of a mirror.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its name.
    pub(super) name: String,
    /// Where it is.
    pub(super) url: String,
}

/// The files of a directory and of those in it.
pub(super) fn of_directory(directory: &Path) -> io::Result<Vec<Listed>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            false => files.push(path),
            true => {
                for entry in std::fs::read_dir(&path)? {
                    files.push(entry?.path());
                }
            }
        }
    }
    let listed = files.iter().filter_map(|path| {
        Some(Listed {
            name: path.file_name()?.to_str()?.to_owned(),
            url: path.to_str()?.to_owned(),
        })
    });
    Ok(listed.collect())
}

/// The files that a server's page links, and those that the pages of its releases do: folders that are named by a day.
pub(super) async fn of_server(
    downloads: &Downloads,
    mirror: &str,
) -> Result<Vec<Listed>, DownloadError> {
    let (mut files, folders) = links(mirror, &page(downloads, mirror).await?);
    for folder in folders {
        let folder = format!("{mirror}/{folder}");
        files.extend(links(&folder, &page(downloads, &folder).await?).0);
    }
    Ok(files)
}

/// A page; an empty one where there is none.
async fn page(downloads: &Downloads, url: &str) -> Result<String, DownloadError> {
    match downloads.read(&format!("{url}/"), LONGEST).await {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(DownloadError::Missing { .. } | DownloadError::Status { .. }) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// The files and the folders of releases that a page links to below itself.
fn links(url: &str, page: &str) -> (Vec<Listed>, Vec<String>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for link in page.split("href=").skip(1) {
        let quote = link.chars().next().filter(|c| ['"', '\''].contains(c));
        let link = match quote {
            Some(quote) => link[1..].split(quote).next(),
            None => link.split([' ', '>']).next(),
        };
        let link = link.unwrap_or_default();
        let path = link.trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        if last.len() == 8 && last.bytes().all(|byte| byte.is_ascii_digit()) {
            folders.push(last.to_owned());
        } else if last.starts_with("cpython-") {
            files.push(Listed {
                name: last.replace("%2B", "+").replace("%2b", "+"),
                url: format!("{url}/{last}"),
            });
        }
    }
    // The newest first.
    folders.sort_unstable_by(|a, b| b.cmp(a));
    folders.dedup();
    (files, folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_page_are_files_and_releases() {
        let page = "<a href=\"../\">up</a><a href='20240107/'>x</a> <a href=\"/m/20241002/\">\
                    <a href=\"cpython-3.12.1%2B20240107-x.tar.gz\">cpython-3.12.1+2024…</a>";
        let (files, folders) = links("http://m", page);
        assert_eq!(folders, ["20241002", "20240107"]);
        let [file] = &files[..] else {
            panic!("{files:?}")
        };
        assert_eq!(file.name, "cpython-3.12.1+20240107-x.tar.gz");
        assert_eq!(file.url, "http://m/cpython-3.12.1%2B20240107-x.tar.gz");
    }
}
