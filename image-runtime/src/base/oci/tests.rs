//! Pulls from a server in this process that behaves as well or as badly as a test wants.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::base::download::server::{Server, answer};
use crate::store::Store;

const NAME: &str = "team/app";

/// An image as a registry has it.
#[derive(Clone)]
struct Image {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

impl Image {
    fn new(layers: &[&[u8]]) -> Self {
        let described = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": named(bytes), "size": bytes.len() });
        let diff_ids: Vec<String> = layers.iter().map(|layer| named(layer)).collect();
        let config = json!({
            "os": "linux",
            "architecture": Platform::of_this_program().architecture,
            "config": { "Env": ["A=b"], "WorkingDir": "/w", "User": "me" },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = config.to_string().into_bytes();
        let layer = |bytes: &&[u8]| described("application/vnd.oci.image.layer.v1.tar", bytes);
        let manifest = json!({
            "schemaVersion": 2,
            "config": described("application/vnd.oci.image.config.v1+json", &config),
            "layers": layers.iter().map(layer).collect::<Vec<Value>>(),
        });
        Self {
            manifest: manifest.to_string().into_bytes(),
            config,
            layers: layers.iter().map(|layer| layer.to_vec()).collect(),
        }
    }

    fn digest(&self) -> String {
        named(&self.manifest)
    }

    /// The good answer to a request.
    fn answer(&self, request: &str) -> Vec<u8> {
        let head = request.starts_with("head ");
        let path = request.split(' ').nth(1).unwrap();
        let (kind, name) = path.rsplit_once('/').unwrap();
        let blobs = self.layers.iter().chain([&self.config]);
        let content = match kind.rsplit_once('/').unwrap().1 {
            "manifests" if name == "1" || name == self.digest() => Some(&self.manifest),
            "blobs" => blobs.into_iter().find(|blob| named(blob) == name),
            _ => None,
        };
        match content {
            Some(content) => {
                let headers = format!(
                    "Content-Length: {}\r\nDocker-Content-Digest: {}\r\n",
                    content.len(),
                    named(content)
                );
                answer("200 OK", &headers, if head { b"" } else { content })
            }
            None => answer("404 Not Found", "", if head { b"" } else { UNKNOWN }),
        }
    }
}

const UNKNOWN: &[u8] = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;

fn named(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn host(server: &Server) -> String {
    let rest = server.url.strip_prefix("http://").unwrap();
    rest.strip_suffix("/file").unwrap().to_owned()
}

fn reference(server: &Server) -> String {
    format!("{}/{NAME}:1", host(server))
}

/// A client with a store of its own, and without credentials.
fn client() -> (tempfile::TempDir, Client) {
    let folder = tempfile::tempdir().unwrap();
    let client = client_in(folder.path());
    (folder, client)
}

fn client_in(folder: &Path) -> Client {
    let store = Store::at(folder).unwrap();
    Client::new(store.downloads())
        .with_mirror(None)
        .with_docker_config(None)
}

/// The request lines so far, without the version.
fn lines(server: &Server) -> Vec<String> {
    let line = |request: &String| request.lines().next().unwrap().replace(" http/1.1", "");
    server.requests().iter().map(line).collect()
}

#[tokio::test]
async fn an_image_is_resolved_and_fetched_and_a_second_pull_asks_nobody() {
    let image = Image::new(&[b"first layer", b"second"]);
    let served = image.clone();
    let server = Server::start(move |_, request| served.answer(request)).await;
    let (folder, client) = client();
    let digest = client.resolve(&reference(&server)).await.unwrap();
    assert_eq!(digest, image.digest());
    let told = AtomicU64::new(0);
    let fetched = client
        .fetch(&reference(&server), &digest, &|done, total| {
            assert_eq!(total, 17);
            told.store(done, Ordering::Relaxed);
        })
        .await
        .unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 17);
    assert_eq!(fetched.config.env, [("A".to_owned(), "b".to_owned())]);
    let layers: Vec<Vec<u8>> = fetched
        .layers
        .iter()
        .map(|layer| std::fs::read(&layer.path).unwrap())
        .collect();
    assert_eq!(layers, image.layers);
    assert_eq!(fetched.layers[1].diff_id, Digest::of(b"second"));
    let asked = lines(&server).len();
    assert_eq!(asked, 5, "{:?}", lines(&server));

    let again = client_in(folder.path());
    let known = again.fetch(&reference(&server), &digest, &|_, _| {}).await;
    assert_eq!(known.unwrap(), fetched);
    assert_eq!(lines(&server).len(), asked);
}

#[tokio::test]
async fn a_registry_that_tells_no_digest_is_asked_for_the_manifest() {
    let image = Image::new(&[]);
    let served = image.clone();
    let server = Server::start(move |_, request| match request.starts_with("head ") {
        true => answer("405 Method Not Allowed", "", b""),
        false => answer("200 OK", "", &served.manifest),
    })
    .await;
    let digest = client().1.resolve(&reference(&server)).await.unwrap();
    assert_eq!(digest, image.digest());
}

#[tokio::test]
async fn a_reference_with_a_digest_is_resolved_without_asking() {
    let pinned = "box.example/a@sha256:0f";
    assert_eq!(client().1.resolve(pinned).await.unwrap(), "sha256:0f");
}

#[tokio::test]
async fn a_mirror_is_asked_for_names_of_docker_hub() {
    let image = Image::new(&[b"layer"]);
    let served = image.clone();
    let server = Server::start(move |_, request| served.answer(request)).await;
    let (_folder, client) = client();
    let client = client.with_mirror(Some(format!("{}/hub", host(&server))));
    let digest = client.resolve("debian:1").await.unwrap();
    client.fetch("debian:1", &digest, &|_, _| {}).await.unwrap();
    assert_eq!(lines(&server)[0], "head /v2/hub/library/debian/manifests/1");
}

#[tokio::test]
async fn a_layer_that_is_cut_is_taken_up_where_it_broke() {
    let image = Image::new(&[b"twenty bytes of file"]);
    let (served, layer) = (image.clone(), named(&image.layers[0]));
    let server = Server::start(move |_, request| {
        let content = &served.layers[0];
        if !request.contains(&format!("/blobs/{layer}")) {
            served.answer(request)
        } else if request.contains("range: bytes=7-") {
            let range = "Content-Range: bytes 7-19/20\r\n";
            answer("206 Partial Content", range, &content[7..])
        } else {
            answer("200 OK", "Content-Length: 20\r\n", &content[..7])
        }
    })
    .await;
    let fetched = client()
        .1
        .fetch(&reference(&server), &image.digest(), &|_, _| {})
        .await;
    assert_eq!(fetched.unwrap().layers[0].size, 20);
    assert!(
        server
            .requests()
            .last()
            .unwrap()
            .contains("range: bytes=7-")
    );
}

/// Needs the second layer only, and notes what arrives.
#[derive(Default)]
struct Second(Mutex<Vec<usize>>);

impl Receive for Second {
    fn begin(&self, image: &Fetched) -> Vec<bool> {
        assert_eq!(image.layers.len(), 3);
        vec![false, true, false]
    }

    fn arrived(&self, index: usize) {
        self.0.lock().unwrap().push(index);
    }
}

#[tokio::test]
async fn layers_that_nobody_needs_are_not_fetched() {
    let image = Image::new(&[b"first", b"second", b"third"]);
    let served = image.clone();
    let server = Server::start(move |_, request| served.answer(request)).await;
    let to = Second::default();
    let (_folder, client) = client();
    let fetched = client
        .fetch_to(&reference(&server), &image.digest(), &|_, _| {}, &to)
        .await
        .unwrap();
    assert_eq!(*to.0.lock().unwrap(), [1]);
    let is_there: Vec<_> = fetched
        .layers
        .iter()
        .map(|layer| layer.path.exists())
        .collect();
    assert_eq!(is_there, [false, true, false]);
}

#[tokio::test]
async fn what_a_registry_sends_is_not_believed() {
    let image = Image::new(&[b"layer"]);
    for (wrong, said) in [
        ("/blobs/", "has the wrong checksum"),
        ("/manifests/", "its manifest has the SHA-256"),
    ] {
        let served = image.clone();
        let server = Server::start(move |_, request| match request.contains(wrong) {
            true if wrong == "/blobs/" && request.contains(&named(&served.config)) => {
                served.answer(request)
            }
            true => answer("200 OK", "", b"liar!"),
            false => served.answer(request),
        })
        .await;
        let (folder, client) = client();
        let error = client
            .fetch(&reference(&server), &image.digest(), &|_, _| {})
            .await
            .unwrap_err();
        let shown = error.to_string();
        assert!(matches!(error, EngineError::Refused { .. }), "{shown}");
        assert!(
            shown.contains(said) && shown.lines().count() == 1,
            "{shown}"
        );
        let kept = Store::at(folder.path()).unwrap().downloads();
        assert!(kept.read(&Digest::of(b"layer").to_string()).is_none());
    }
}

#[tokio::test]
async fn a_layer_longer_than_its_manifest_says_is_not_read_to_its_end() {
    let image = Image::new(&[b"layer"]);
    let (served, layer) = (image.clone(), named(b"layer"));
    let server = Server::start(move |_, request| match request.contains(&layer) {
        true => answer("200 OK", "", &[b'x'; 100_000]),
        false => served.answer(request),
    })
    .await;
    let error = client()
        .1
        .fetch(&reference(&server), &image.digest(), &|_, _| {})
        .await
        .unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("longer than the 5 bytes"), "{shown}");
}

#[tokio::test]
async fn an_image_that_is_not_there_is_told_from_a_registry_that_is_not() {
    let server = Server::start(|_, request| Image::new(&[]).answer(request)).await;
    let missing = format!("{}/{NAME}:2", host(&server));
    let error = client().1.resolve(&missing).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "there is no image `{missing}`: `{}`: manifest unknown",
            host(&server)
        )
    );
    assert!(matches!(error, EngineError::NoSuchImage { .. }));

    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        let server = Server::start(move |_, _| answer(status, "", b"")).await;
        let error = client().1.resolve(&reference(&server)).await.unwrap_err();
        let EngineError::RegistryUnreachable { said, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(said.ends_with(&format!("it answers {status}")), "{said}");
    }

    // Nobody listens where somebody did.
    let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = bound.local_addr().unwrap();
    drop(bound);
    let error = client().1.resolve(&format!("{free}/a")).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::RegistryUnreachable { said, .. } if said.contains("refused")),
        "{error}"
    );
}

/// The folder of a Docker configuration with one entry.
fn docker_config(registry: &str, entry: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { registry: entry } });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

/// A registry that wants a token of itself, which is good for so many requests.
async fn with_tokens(image: Image, uses: usize) -> Server {
    let state = Mutex::new((0, 0));
    Server::start(move |_, request| {
        let (issued, used) = &mut *state.lock().unwrap();
        if request.contains(" /token") {
            (*issued, *used) = (*issued + 1, 0);
            let token = json!({ "token": format!("t{issued}"), "expires_in": 60 });
            return answer("200 OK", "", token.to_string().as_bytes());
        }
        if *used < uses && request.contains(&format!("authorization: bearer t{issued}\r\n")) {
            *used += 1;
            return image.answer(request);
        }
        let host = request.lines().find_map(|line| line.strip_prefix("host: "));
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"http://{}/token?a=b\",service=\"here\",scope=\"repository:{NAME}:pull\"\r\nContent-Length: 0\r\n",
            host.unwrap()
        );
        answer("401 Unauthorized", &challenge, b"")
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_and_again_when_it_has_expired() {
    let image = Image::new(&[b"a", b"b", b"c"]);
    for (uses, tokens) in [(100, 1), (2, 3)] {
        let server = with_tokens(image.clone(), uses).await;
        let (_folder, client) = client();
        let digest = client.resolve(&reference(&server)).await.unwrap();
        let fetched = client.fetch(&reference(&server), &digest, &|_, _| {}).await;
        assert_eq!(fetched.unwrap().layers.len(), 3);
        let asked = lines(&server);
        let asked: Vec<_> = asked
            .iter()
            .filter(|line| line.contains("/token"))
            .collect();
        assert_eq!(asked.len(), tokens, "{asked:?}");
        assert_eq!(
            asked[0],
            "get /token?a=b&service=here&scope=repository%3ateam%2fapp%3apull"
        );
        let anonymous = server.requests();
        let anonymous = anonymous.iter().find(|asked| asked.contains(" /token"));
        assert!(!anonymous.unwrap().contains("authorization"));
    }
}

#[tokio::test]
async fn a_token_server_is_told_who_asks() {
    let image = Image::new(&[]);
    let server = with_tokens(image.clone(), 100).await;
    let (_folder, client) = client();
    let auth = STANDARD.encode("me:pass");
    let config = docker_config(&host(&server), &json!({ "auth": auth }));
    let client = client.with_docker_config(Some(config.path().to_owned()));
    client.resolve(&reference(&server)).await.unwrap();
    let asked = server.requests();
    let asked = asked
        .iter()
        .find(|asked| asked.contains(" /token"))
        .unwrap();
    let told = format!("authorization: basic {}", auth.to_lowercase());
    assert!(asked.contains(&told), "{asked}");

    let server = with_tokens(image, 100).await;
    let entry = json!({ "identitytoken": "long&lived" });
    let config = docker_config(&host(&server), &entry);
    let client = client.with_docker_config(Some(config.path().to_owned()));
    client.resolve(&reference(&server)).await.unwrap();
    let asked = server.requests();
    let asked = asked
        .iter()
        .find(|asked| asked.contains(" /token"))
        .unwrap();
    assert!(asked.starts_with("post /token?a=b "), "{asked}");
    assert!(
        asked.ends_with("\r\n\r\nservice=here&scope=repository%3ateam%2fapp%3apull&grant_type=refresh_token&client_id=image-runtime&refresh_token=long%26lived"),
        "{asked}"
    );
}

/// Answers everything with a challenge.
async fn refusing(challenge: &'static str) -> Server {
    Server::start(move |_, _| {
        let headers = format!("WWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n");
        answer("401 Unauthorized", &headers, b"")
    })
    .await
}

#[tokio::test]
async fn who_is_refused_is_told_what_can_be_done_and_no_secret() {
    let server = refusing("Basic realm=\"x\"").await;
    let error = client().1.resolve(&reference(&server)).await.unwrap_err();
    let host = host(&server);
    assert_eq!(
        error.to_string(),
        format!(
            "the registry refuses access to `{host}/{NAME}:1`: `{host}`: it answers 401 Unauthorized \
             (it does not exist, or `docker login {host}` is needed)"
        )
    );
    let entry = json!({ "auth": STANDARD.encode("me:hidden") });
    let config = docker_config(&host, &entry);
    let (_folder, client) = client();
    let client = client.with_docker_config(Some(config.path().to_owned()));
    let error = client.resolve(&reference(&server)).await.unwrap_err();
    let shown = format!("{error} {error:?} {client:?}");
    assert!(
        shown.contains("with the credentials that Docker"),
        "{shown}"
    );
    let encoded = STANDARD.encode("me:hidden");
    assert!(
        !shown.contains("hidden") && !shown.contains(&encoded),
        "{shown}"
    );
}

#[tokio::test]
async fn credentials_go_to_no_token_server_without_encryption() {
    let server = refusing("Bearer realm=\"http://tokens.invalid/token?sign=hidden\"").await;
    let error = client().1.resolve(&reference(&server)).await.unwrap_err();
    let shown = error.to_string();
    assert!(matches!(error, EngineError::AccessDenied { .. }), "{shown}");
    assert!(
        shown.contains("no login at `http://tokens.invalid/token`: the token server has no HTTPS"),
        "{shown}"
    );
    for challenge in ["Bearer service=\"x\"", "Bearer realm=\"/token\""] {
        let server = refusing(challenge).await;
        let error = client().1.resolve(&reference(&server)).await.unwrap_err();
        assert!(
            error.to_string().contains("names no token server"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn indexes_without_end_are_not_followed() {
    let level = |below: &str| {
        let entry = json!({ "mediaType": "x", "digest": below, "size": 1 });
        json!({ "schemaVersion": 2, "manifests": [entry] }).to_string()
    };
    let mut levels = vec![level(&named(b""))];
    for _ in 0..5 {
        levels.push(level(&named(levels.last().unwrap().as_bytes())));
    }
    let top = named(levels.last().unwrap().as_bytes());
    let server = Server::start(move |_, request| {
        let found = levels
            .iter()
            .find(|level| request.contains(&named(level.as_bytes())));
        answer("200 OK", "", found.unwrap().as_bytes())
    })
    .await;
    let error = client()
        .1
        .fetch(&reference(&server), &top, &|_, _| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("further indexes"), "{error}");
}
