//! For tests: a server in this process that behaves as badly as a test wants.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Wanted;
use crate::digest::Digest;

/// Answers each connection with the bytes that a function makes of the request, and closes it.
pub(in crate::base) struct Server {
    /// Of a file on it.
    pub(in crate::base) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts it on the loopback. The function gets the number of the request, from 1, and its text in lower case.
    pub(in crate::base) async fn start(
        answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !is_whole(&request) && connection.read_buf(&mut request).await.unwrap() > 0 {}
                let request = String::from_utf8(request).unwrap().to_lowercase();
                let answer = {
                    let mut heard = heard.lock().unwrap();
                    heard.push(request.clone());
                    answer(heard.len(), &request)
                };
                connection.write_all(&answer).await.unwrap();
                connection.shutdown().await.unwrap();
            }
        });
        Self { url, requests }
    }

    /// The file on it, if it has this content.
    pub(in crate::base) fn wanted(&self, content: &[u8]) -> Wanted {
        Wanted {
            url: self.url.clone(),
            sha256: Digest::of(content),
            size: content.len() as u64,
        }
    }

    /// The requests so far, in lower case.
    pub(in crate::base) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// An answer of its status line, headers and body.
pub(in crate::base) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// Whether a request has arrived with its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
