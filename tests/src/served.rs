//! Texts at an address that definitions name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Serves texts until it is dropped.
#[derive(Debug)]
pub struct Served {
    address: &'static str,
    texts: Arc<Mutex<Texts>>,
    thread: Option<JoinHandle<()>>,
    _alone: File,
}

/// By their paths.
#[derive(Debug, Default)]
struct Texts {
    texts: HashMap<&'static str, &'static str>,
    has_ended: bool,
}

impl Served {
    /// Waits until no other test serves there, in whatever process.
    ///
    /// # Panics
    /// Where something else has the address.
    pub fn at(address: &'static str) -> Self {
        let alone = crate::take_address(address);
        let listener = TcpListener::bind(address).expect("the port is free");
        let texts = Arc::new(Mutex::new(Texts::default()));
        let served = Arc::clone(&texts);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let texts = served.lock().unwrap_or_else(PoisonError::into_inner);
                if texts.has_ended {
                    return;
                }
                let texts = texts.texts.clone();
                answer(stream, &texts);
            }
        });
        Self {
            address,
            texts,
            thread: Some(thread),
            _alone: alone,
        }
    }

    /// What is at a path from now on.
    pub fn holds(&self, path: &'static str, text: &'static str) {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.texts.insert(path, text);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.has_ended = true;
        drop(texts);
        // It hears of it with the next who comes.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, texts: &HashMap<&str, &str>) {
    // Nobody who asks nothing keeps the others waiting.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut head = BufReader::new(&stream).lines().map_while(Result::ok);
    let asked = head.next().unwrap_or_default();
    // What is not read when it is closed would reset it.
    head.find(String::is_empty);
    drop(head);
    let found = asked.split(' ').nth(1).and_then(|path| texts.get(path));
    let (status, body) = found.map_or(("404 Not Found", ""), |body| ("200 OK", *body));
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
}
