//! Pushes to a server in this process that behaves as well or as badly as a test wants.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::push::{Blob, Push};
use super::*;
use crate::base::download::server::{Server, answer};
use crate::store::Store;

const NAME: &str = "team/app";
const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

fn named(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn host(server: &Server) -> String {
    let rest = server.url.strip_prefix("http://").unwrap();
    rest.strip_suffix("/file").unwrap().to_owned()
}

fn push(server: &Server, folder: &tempfile::TempDir) -> Push {
    let client =
        Client::new(Store::at(folder.path()).unwrap().downloads()).with_docker_config(None);
    client.push(&format!("{}/{NAME}:1", host(server))).unwrap()
}

/// The request lines so far, without the version.
fn lines(server: &Server) -> Vec<String> {
    let line = |request: &String| request.lines().next().unwrap().replace(" http/1.1", "");
    server.requests().iter().map(line).collect()
}

/// A registry that keeps what it gets.
#[derive(Default)]
struct Registry(HashMap<String, String>);

impl Registry {
    fn answer(&mut self, request: &str) -> Vec<u8> {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let path = target.split('?').next().unwrap();
        match method {
            "head" => match self.0.get(path) {
                Some(kept) => {
                    let digest = named(kept.as_bytes());
                    let headers = format!(
                        "Docker-Content-Digest: {digest}\r\nContent-Length: {}\r\n",
                        kept.len()
                    );
                    answer("200 OK", &headers, b"")
                }
                None => answer("404 Not Found", "", b""),
            },
            "post" => {
                let place = format!(
                    "Location: /v2/{NAME}/blobs/uploads/7?_state=a%2Bb\r\nContent-Length: 0\r\n"
                );
                answer("202 Accepted", &place, b"")
            }
            "put" => {
                let digest = named(body.as_bytes());
                let place = match target.split_once("?_state=a%2bb&digest=sha256%3a") {
                    Some((_, hex)) => format!("/v2/{NAME}/blobs/sha256:{hex}"),
                    None => path.to_owned(),
                };
                if place.contains("/blobs/") && !place.ends_with(&digest) {
                    let body = json!({ "errors": [{ "code": "DIGEST_INVALID", "message": "provided digest did not match uploaded content" }] });
                    return answer("400 Bad Request", "", body.to_string().as_bytes());
                }
                self.0.insert(place, body.to_owned());
                let headers = format!("Docker-Content-Digest: {digest}\r\nContent-Length: 0\r\n");
                answer("201 Created", &headers, b"")
            }
            other => panic!("{other}"),
        }
    }
}

async fn registry() -> Server {
    let registry = Mutex::new(Registry::default());
    Server::start(move |_, request| registry.lock().unwrap().answer(request)).await
}

#[tokio::test]
async fn blobs_and_a_manifest_are_sent_once() {
    let server = registry().await;
    let folder = tempfile::tempdir().unwrap();
    let content = "x".repeat(600_000);
    let file = folder.path().join("layer");
    std::fs::write(&file, &content).unwrap();
    let digest = Digest::of(content.as_bytes());
    let manifest = b"{\"manifest\":1}";
    for time in 0..2 {
        let push = push(&server, &folder);
        assert_eq!(push.has(&digest).await.unwrap(), time == 1);
        if time == 0 {
            let told = AtomicU64::new(0);
            let sent = |bytes| told.store(bytes, Ordering::Relaxed);
            push.blob(&digest, 600_000, Blob::File(&file), &sent)
                .await
                .unwrap();
            assert_eq!(told.load(Ordering::Relaxed), 600_000);
        }
        assert_eq!(
            push.manifest(KIND, manifest).await.unwrap(),
            named(manifest)
        );
    }
    let asked = lines(&server);
    let sent: Vec<_> = asked
        .iter()
        .filter(|line| !line.starts_with("head "))
        .collect();
    assert_eq!(
        sent,
        [
            &format!("post /v2/{NAME}/blobs/uploads/"),
            &format!("put /v2/{NAME}/blobs/uploads/7?_state=a%2bb&digest=sha256%3a{digest}"),
            &format!("put /v2/{NAME}/manifests/1"),
        ]
    );
    let requests = server.requests();
    let put = requests
        .iter()
        .find(|request| request.starts_with("put "))
        .unwrap();
    assert!(put.contains("content-length: 600000\r\n") && !put.contains("chunked"));
    let named_as = requests
        .iter()
        .find(|request| request.starts_with("put /v2/team/app/manifests"));
    assert!(
        named_as
            .unwrap()
            .contains(&format!("content-type: {KIND}\r\n"))
    );
}

#[tokio::test]
async fn a_registry_that_fails_for_a_moment_is_asked_again() {
    let registry = Mutex::new(Registry::default());
    let server = Server::start(move |number, request| match number {
        1 => answer("503 Service Unavailable", "", b""),
        // It took the place away again, or was never reached.
        3 => answer("502 Bad Gateway", "", b""),
        _ => registry.lock().unwrap().answer(request),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let push = push(&server, &folder);
    let blob = Blob::Bytes(b"abc");
    push.blob(&Digest::of(b"abc"), 3, blob, &|_| {})
        .await
        .unwrap();
    let methods: Vec<_> = lines(&server)
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(methods, ["post", "post", "put", "post", "put"]);
}

#[tokio::test]
async fn a_digest_that_is_refused_is_told() {
    let server = registry().await;
    let folder = tempfile::tempdir().unwrap();
    let blob = Blob::Bytes(b"abd");
    let push = push(&server, &folder);
    let error = push
        .blob(&Digest::of(b"abc"), 3, blob, &|_| {})
        .await
        .unwrap_err();
    let host = host(&server);
    assert_eq!(
        error.to_string(),
        format!(
            "pushing `{host}/{NAME}:1` failed: `{host}`: provided digest did not match uploaded content"
        )
    );
    // Nothing is named of which not all is there.
    assert_eq!(lines(&server).len(), 2);
}

#[tokio::test]
async fn a_repository_that_may_not_be_written_is_told_with_what_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let denied = json!({ "errors": [{ "code": "DENIED", "message": "requested access to the resource is denied" }] });
    for (status, body, said) in [
        (
            "403 Forbidden",
            denied.to_string(),
            "requested access to the resource is denied",
        ),
        (
            "401 Unauthorized",
            String::new(),
            "it answers 401 Unauthorized",
        ),
    ] {
        let server = Server::start(move |_, _| answer(status, "", body.as_bytes())).await;
        let push = push(&server, &folder);
        let blob = Blob::Bytes(b"abc");
        let error = push
            .blob(&Digest::of(b"abc"), 3, blob, &|_| {})
            .await
            .unwrap_err();
        let host = host(&server);
        assert_eq!(
            error.to_string(),
            format!(
                "pushing `{host}/{NAME}:1` failed: `{host}`: {said} (`docker login {host}` is needed)"
            )
        );
    }
    let server = Server::start(|_, _| answer("404 Not Found", "", b"")).await;
    let push = push(&server, &folder);
    let error = push.manifest(KIND, b"{}").await.unwrap_err().to_string();
    assert!(error.ends_with("it answers 404 Not Found"), "{error}");
}

#[tokio::test]
async fn a_token_is_asked_for_that_lets_us_write() {
    let registry = Mutex::new(Registry::default());
    let server = Server::start(move |_, request| {
        if request.contains(" /token") {
            return answer("200 OK", "", br#"{"token":"t1"}"#);
        }
        if request.contains("authorization: bearer t1\r\n") {
            return registry.lock().unwrap().answer(request);
        }
        let host = request.lines().find_map(|line| line.strip_prefix("host: "));
        // As registries answer who only looks whether something is there.
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"here\",scope=\"repository:{NAME}:pull\"\r\nContent-Length: 0\r\n",
            host.unwrap()
        );
        answer("401 Unauthorized", &challenge, b"")
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let push = push(&server, &folder);
    let digest = Digest::of(b"abc");
    assert!(!push.has(&digest).await.unwrap());
    push.blob(&digest, 3, Blob::Bytes(b"abc"), &|_| {})
        .await
        .unwrap();
    let asked = lines(&server);
    let tokens: Vec<_> = asked
        .iter()
        .filter(|line| line.contains("/token"))
        .collect();
    assert_eq!(
        tokens,
        ["get /token?service=here&scope=repository%3ateam%2fapp%3apull%2cpush"]
    );
}

#[tokio::test]
async fn nobody_else_is_told_who_asks() {
    // The place is on another server, which would be sent the layer, and here has no encryption.
    let server = Server::start(
        |_, request| match request.contains("authorization: basic") {
            false => {
                let challenge = "WWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n";
                answer("401 Unauthorized", challenge, b"")
            }
            true => {
                let place = "Location: http://127.0.0.2:1/up\r\nContent-Length: 0\r\n";
                answer("202 Accepted", place, b"")
            }
        },
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { host(&server): { "auth": "bWU6aGlkZGVu" } } });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let client = Client::new(Store::at(folder.path()).unwrap().downloads())
        .with_docker_config(Some(folder.path().to_owned()));
    let push = client.push(&format!("{}/{NAME}:1", host(&server))).unwrap();
    let blob = Blob::Bytes(b"abc");
    let error = push
        .blob(&Digest::of(b"abc"), 3, blob, &|_| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("without HTTPS"), "{error}");
}

#[tokio::test]
async fn a_name_that_nothing_can_be_pushed_to_is_refused_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new(Store::at(folder.path()).unwrap().downloads());
    for (reference, said) in [
        ("box.example/a@sha256:0f", "give a tag"),
        ("box.example/A", "is not of the form"),
    ] {
        let error = client.push(reference).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
