//! Downloads from a server in this process that behaves as badly as a test wants.

use std::sync::Mutex;

use tokio::net::TcpListener;

use super::server::{Server, answer};
use super::*;

fn downloads() -> (tempfile::TempDir, Downloads) {
    let directory = tempfile::tempdir().unwrap();
    // A proxy of this machine does not reach a server of this process.
    let downloads = Downloads::with_client(directory.path(), client().no_proxy()).unwrap();
    (directory, downloads)
}

fn files(directory: &tempfile::TempDir) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

const CONTENT: &[u8] = b"twenty bytes of file";

#[tokio::test]
async fn a_file_is_fetched_once_and_kept() {
    let server = Server::start(|_, _| answer("200 OK", "", CONTENT)).await;
    let (_directory, downloads) = downloads();
    for _ in 0..2 {
        let path = downloads
            .one(&server.wanted(CONTENT), &|_| {})
            .await
            .unwrap();
        assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_file_wanted_several_times_at_once_is_fetched_once() {
    let server = Server::start(|_, _| answer("200 OK", "", CONTENT)).await;
    let (directory, downloads) = downloads();
    let wanted = vec![server.wanted(CONTENT); 5];
    let seen = Mutex::new((0, 0));
    downloads
        .all(&wanted, &|done, total| {
            *seen.lock().unwrap() = (done, total)
        })
        .await
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), (100, 100));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(files(&directory), 1);
}

#[tokio::test]
async fn a_cut_connection_is_taken_up_where_it_broke() {
    let server = Server::start(|number, _| match number {
        1 => answer("200 OK", "Content-Length: 20\r\n", &CONTENT[..7]),
        _ => answer(
            "206 Partial Content",
            "Content-Range: bytes 7-19/20\r\n",
            &CONTENT[7..],
        ),
    })
    .await;
    let (_directory, downloads) = downloads();
    let path = downloads
        .one(&server.wanted(CONTENT), &|_| {})
        .await
        .unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    assert!(server.requests()[1].contains("range: bytes=7-"));
}

#[tokio::test]
async fn a_server_that_knows_no_ranges_is_asked_for_all_of_it() {
    let server = Server::start(|number, _| {
        answer("200 OK", "", &CONTENT[..if number == 1 { 7 } else { 20 }])
    })
    .await;
    let (_directory, downloads) = downloads();
    let path = downloads
        .one(&server.wanted(CONTENT), &|_| {})
        .await
        .unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_not_used() {
    let server = Server::start(|_, request| {
        if request.contains("range: bytes=7-") {
            answer(
                "206 Partial Content",
                "Content-Range: bytes 0-19/20\r\n",
                CONTENT,
            )
        } else {
            answer("200 OK", "", CONTENT)
        }
    })
    .await;
    let (directory, downloads) = downloads();
    let part = directory
        .path()
        .join(format!("{}.part", Digest::of(CONTENT)));
    std::fs::write(part, &CONTENT[..7]).unwrap();
    let path = downloads
        .one(&server.wanted(CONTENT), &|_| {})
        .await
        .unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
}

#[tokio::test]
async fn what_an_earlier_process_left_is_taken_up_or_thrown_away() {
    let server = Server::start(|_, request| {
        if request.contains("range: bytes=7-") {
            answer(
                "206 Partial Content",
                "Content-Range: bytes 7-19/20\r\n",
                &CONTENT[7..],
            )
        } else {
            answer("200 OK", "", CONTENT)
        }
    })
    .await;
    for left in [
        &CONTENT[..7],
        b"garbage",
        b"more than the whole file can be",
    ] {
        let (directory, downloads) = downloads();
        let part = directory
            .path()
            .join(format!("{}.part", Digest::of(CONTENT)));
        std::fs::write(part, left).unwrap();
        let path = downloads
            .one(&server.wanted(CONTENT), &|_| {})
            .await
            .unwrap();
        assert_eq!(std::fs::read(path).unwrap(), CONTENT);
        assert_eq!(files(&directory), 1);
    }
}

#[tokio::test]
async fn a_file_that_never_arrives_whole_says_so() {
    let server = Server::start(|_, _| answer("200 OK", "", &CONTENT[..7])).await;
    let (_directory, downloads) = downloads();
    let error = downloads
        .one(&server.wanted(CONTENT), &|_| {})
        .await
        .unwrap_err();
    assert!(
        matches!(&error, DownloadError::CutShort { url, got: 7, expected: 20 } if *url == server.url),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_file_is_not_kept() {
    let server = Server::start(|_, _| answer("200 OK", "", b"twenty other bytes !")).await;
    let (directory, downloads) = downloads();
    let error = downloads
        .one(&server.wanted(CONTENT), &|_| {})
        .await
        .unwrap_err();
    assert!(
        matches!(&error, DownloadError::WrongChecksum { url, .. } if *url == server.url),
        "{error}"
    );
    assert_eq!(files(&directory), 0);
}

#[tokio::test]
async fn a_file_that_is_too_long_is_not_read_to_its_end() {
    let server = Server::start(|_, _| answer("200 OK", "", &[b'x'; 100_000])).await;
    let (_directory, downloads) = downloads();
    let error = downloads
        .one(&server.wanted(CONTENT), &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, DownloadError::WrongSize { .. }), "{error}");
    let error = downloads.read(&server.url, 10).await.unwrap_err();
    assert!(matches!(error, DownloadError::WrongSize { .. }), "{error}");
}

#[tokio::test]
async fn a_missing_file_is_told_from_a_server_that_fails() {
    let server = Server::start(|_, _| answer("404 Not Found", "", b"")).await;
    let (_directory, downloads) = downloads();
    let error = downloads.read(&server.url, 10).await.unwrap_err();
    assert!(matches!(error, DownloadError::Missing { .. }), "{error}");
    assert_eq!(server.requests().len(), 1);

    let server = Server::start(|number, _| match number {
        1 => answer("503 Service Unavailable", "", b""),
        _ => answer("200 OK", "", b"here"),
    })
    .await;
    assert_eq!(downloads.read(&server.url, 10).await.unwrap(), b"here");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let (_directory, downloads) = downloads();
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}/file");
    let error = downloads.read(&url, 10).await.unwrap_err();
    assert!(
        matches!(&error, DownloadError::Unreachable { url: named, .. } if *named == url),
        "{error}"
    );
}

#[tokio::test]
async fn a_directory_serves_as_well() {
    let (_directory, downloads) = downloads();
    let mirror = tempfile::tempdir().unwrap();
    let file = mirror.path().join("file");
    std::fs::write(&file, CONTENT).unwrap();
    for url in [
        file.display().to_string(),
        format!("file://{}", file.display()),
    ] {
        let wanted = Wanted {
            url,
            sha256: Digest::of(CONTENT),
            size: 20,
        };
        let path = downloads.one(&wanted, &|_| {}).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
        std::fs::remove_file(path).unwrap();
    }
    let missing = mirror.path().join("missing").display().to_string();
    let error = downloads.read(&missing, 10).await.unwrap_err();
    assert!(matches!(error, DownloadError::Missing { .. }), "{error}");
}
