//! Images pulled from a real registry: Debian's `docker-registry`, on the loopback, filled by plain requests.
//!
//! Where that program is missing the tests say so on the standard error, and fail where `CI` or `IMAGE_TESTS_REQUIRE_ENGINE` is set.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::io::{ErrorKind, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use image_runtime::base::oci::{Client, Fetched, Hashing};
use image_runtime::digest::Digest;
use image_runtime::engine::EngineError;
use image_runtime::store::Store;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

const USER: &str = "tester";
const PASSWORD: &str = "sesame";
/// Of the user and the password, by bcrypt: the one kind that the registry takes.
const HTPASSWD: &str = "tester:$2b$05$BpymjxBwISEjubByIFbNwe/gP6faTqp5KbQwtL61/NqtMjwy5XRY2\n";

/// A registry with a folder of its own. It ends when the test does.
struct Registry {
    host: String,
    process: Child,
    http: reqwest::Client,
    locked: bool,
    _folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    /// Starts one, which a password may lock. Nothing where the program is not installed.
    async fn start(locked: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let passwords = folder.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD).unwrap();
        let mut config = json!({
            "version": 0.1,
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("data") } },
            "http": { "addr": host },
        });
        if locked {
            config["auth"] = json!({ "htpasswd": { "realm": "test", "path": passwords } });
        }
        let file = folder.path().join("config.yml");
        // JSON is YAML.
        std::fs::write(&file, config.to_string()).unwrap();
        let log = folder.path().join("log");
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                assert!(
                    std::env::var_os("CI").is_none()
                        && std::env::var_os("IMAGE_TESTS_REQUIRE_ENGINE").is_none(),
                    "`docker-registry` is not installed"
                );
                eprintln!("not run: `docker-registry` is not installed");
                return None;
            }
            Err(error) => panic!("docker-registry: {error}"),
        };
        // The provider of a client without one of its own; another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let registry = Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            host,
            process,
            locked,
            _folder: folder,
        };
        for _ in 0..600 {
            if TcpStream::connect(&registry.host).is_ok() {
                return Some(registry);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(log).unwrap();
        panic!(
            "docker-registry does not listen on {}: {log}",
            registry.host
        );
    }

    fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        let url = match url.strip_prefix('/') {
            Some(path) => format!("http://{}/{path}", self.host),
            None => url.to_owned(),
        };
        let request = self.http.request(method, url);
        match self.locked {
            true => request.basic_auth(USER, Some(PASSWORD)),
            false => request,
        }
    }

    async fn put_blob(&self, repository: &str, bytes: &[u8]) {
        let begun = self.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/"));
        let begun = begun.send().await.unwrap();
        assert_eq!(begun.status(), StatusCode::ACCEPTED);
        let place = begun.headers()["location"].to_str().unwrap();
        let place = format!("{place}&digest={}", named(bytes));
        let put = self.request(Method::PUT, &place).body(bytes.to_vec());
        assert_eq!(put.send().await.unwrap().status(), StatusCode::CREATED);
    }

    /// Puts a manifest, and answers its descriptor.
    async fn put_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Value {
        let kind = manifest["mediaType"].as_str().unwrap();
        let bytes = manifest.to_string().into_bytes();
        let put = self
            .request(Method::PUT, &format!("/v2/{repository}/manifests/{tag}"))
            .header("Content-Type", kind)
            .body(bytes.clone());
        assert_eq!(put.send().await.unwrap().status(), StatusCode::CREATED);
        described(kind, &bytes)
    }

    /// Puts an image of some layers, each with its media type, its packed and its unpacked bytes.
    async fn put_image(
        &self,
        name: (&str, &str),
        kinds: (&str, &str),
        architecture: &str,
        layers: &[(String, Vec<u8>, Vec<u8>)],
    ) -> Value {
        let (repository, tag) = name;
        let diff_ids: Vec<String> = layers.iter().map(|layer| named(&layer.2)).collect();
        let config = json!({
            "os": "linux",
            "architecture": architecture,
            "config": { "Env": [format!("FOR={architecture}")], "WorkingDir": "/srv", "User": "nobody" },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = config.to_string().into_bytes();
        self.put_blob(repository, &config).await;
        for (_, packed, _) in layers {
            self.put_blob(repository, packed).await;
        }
        let described_layers: Vec<Value> = layers
            .iter()
            .map(|(kind, packed, _)| described(kind, packed))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": kinds.0,
            "config": described(kinds.1, &config),
            "layers": described_layers,
        });
        self.put_manifest(repository, tag, &manifest).await
    }
}

fn described(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": named(bytes), "size": bytes.len() })
}

fn named(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

/// Bytes that do not pack to nothing, different for every seed.
fn bytes(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = Digest::of(&[seed]);
    while bytes.len() < length {
        bytes.extend_from_slice(block.as_bytes());
        block = Digest::of(block.as_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn gzip(kind: &str, unpacked: Vec<u8>) -> (String, Vec<u8>, Vec<u8>) {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&unpacked).unwrap();
    (kind.to_owned(), gzip.finish().unwrap(), unpacked)
}

fn zstd(unpacked: Vec<u8>) -> (String, Vec<u8>, Vec<u8>) {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = ruzstd::encoding::compress_to_vec(unpacked.as_slice(), level);
    (format!("{OCI_LAYER}+zstd"), packed, unpacked)
}

/// This machine's architecture and another.
fn architectures() -> (&'static str, &'static str) {
    match cfg!(target_arch = "aarch64") {
        true => ("arm64", "amd64"),
        false => ("amd64", "arm64"),
    }
}

fn client(folder: &Path) -> Client {
    Client::new(Store::at(folder).unwrap().downloads())
        .with_mirror(None)
        .with_docker_config(None)
}

/// What is in the layers, verified.
fn unpacked(fetched: &Fetched) -> Vec<Vec<u8>> {
    let unpack = |layer: &image_runtime::base::oci::FetchedLayer| {
        let packed = std::fs::read(&layer.path).unwrap();
        assert_eq!(Digest::of(&packed), layer.digest);
        assert_eq!(packed.len() as u64, layer.size);
        let mut inner: Box<dyn Read> = match packed.get(..2) {
            Some([0x1f, 0x8b]) => Box::new(flate2::read::GzDecoder::new(packed.as_slice())),
            Some([0x28, 0xb5]) => {
                Box::new(ruzstd::decoding::StreamingDecoder::new(packed.as_slice()).unwrap())
            }
            _ => Box::new(packed.as_slice()),
        };
        let mut hashing = Hashing::new(&mut inner);
        let mut bytes = Vec::new();
        hashing.read_to_end(&mut bytes).unwrap();
        assert_eq!(hashing.finish().unwrap(), layer.diff_id);
        bytes
    };
    fetched.layers.iter().map(unpack).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_of_this_machine_is_pulled_out_of_an_index() {
    let Some(registry) = Registry::start(false).await else {
        return;
    };
    let (here, other) = architectures();
    let layers = [
        gzip(&format!("{OCI_LAYER}+gzip"), bytes(1, 3_000_000)),
        zstd(bytes(2, 200_000)),
        (OCI_LAYER.to_owned(), bytes(3, 10_240), bytes(3, 10_240)),
        // The same layer twice, as builders make it of two steps that write nothing.
        gzip(&format!("{OCI_LAYER}+gzip"), vec![0; 1024]),
        gzip(&format!("{OCI_LAYER}+gzip"), vec![0; 1024]),
    ];
    let mut entries = Vec::new();
    for (architecture, layers) in [(other, &layers[3..4]), (here, &layers[..])] {
        let kinds = (OCI_MANIFEST, OCI_CONFIG);
        let name = ("team/app", architecture);
        let mut entry = registry.put_image(name, kinds, architecture, layers).await;
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        entries.push(entry);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    let index = registry.put_manifest("team/app", "1", &index).await;

    let reference = format!("{}/team/app:1", registry.host);
    let folder = tempfile::tempdir().unwrap();
    // As a process that was killed leaves it.
    let first = &layers[0].1;
    let part = Store::at(folder.path()).unwrap().downloads();
    let part = part.join(&format!("{}.part", Digest::of(first)));
    std::fs::write(part, &first[..1_000_000]).unwrap();

    let pull = client(folder.path());
    let digest = pull.resolve(&reference).await.unwrap();
    assert_eq!(digest, index["digest"]);
    let fetched = pull.fetch(&reference, &digest, &|_, _| {}).await.unwrap();
    assert_eq!(fetched.config.env, [("FOR".to_owned(), here.to_owned())]);
    let expected: Vec<Vec<u8>> = layers.iter().map(|layer| layer.2.clone()).collect();
    assert!(unpacked(&fetched) == expected, "the layers are others");

    drop(registry);
    let again = client(folder.path());
    let known = again.fetch(&reference, &digest, &|_, _| {}).await.unwrap();
    assert_eq!(known, fetched);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_in_the_media_types_of_docker_is_pulled_by_its_digest() {
    let Some(registry) = Registry::start(false).await else {
        return;
    };
    let (here, other) = architectures();
    let layers = [gzip(DOCKER_LAYER, bytes(4, 50_000))];
    let kinds = (DOCKER_MANIFEST, DOCKER_CONFIG);
    let mut digests = Vec::new();
    for architecture in [here, other] {
        let name = ("app", architecture);
        let put = registry.put_image(name, kinds, architecture, &layers).await;
        digests.push(put["digest"].as_str().unwrap().to_owned());
    }
    let folder = tempfile::tempdir().unwrap();
    let client = client(folder.path());
    let reference = format!("{}/app@{}", registry.host, digests[0]);
    assert_eq!(client.resolve(&reference).await.unwrap(), digests[0]);
    let fetched = client.fetch(&reference, &digests[0], &|_, _| {}).await;
    let fetched = fetched.unwrap();
    assert_eq!(unpacked(&fetched), [layers[0].2.clone()]);
    assert_eq!(fetched.config.user, "nobody");

    let error = client.fetch(&reference, &digests[1], &|_, _| {}).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains(&format!("an image of linux/{other}")),
        "{error}"
    );
    let missing = format!("{}/app:none", registry.host);
    let error = client.resolve(&missing).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::NoSuchImage { said, .. } if said.ends_with("manifest unknown")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_registry_opens_to_the_credentials_of_docker() {
    let Some(registry) = Registry::start(true).await else {
        return;
    };
    let layers = [gzip(&format!("{OCI_LAYER}+gzip"), bytes(5, 50_000))];
    let kinds = (OCI_MANIFEST, OCI_CONFIG);
    let name = ("private/app", "latest");
    registry
        .put_image(name, kinds, architectures().0, &layers)
        .await;
    let reference = format!("{}/private/app", registry.host);
    let folder = tempfile::tempdir().unwrap();
    let config = tempfile::tempdir().unwrap();
    let login = |password: &str| {
        use base64::Engine as _;
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}"));
        let auths = json!({ "auths": { &registry.host: { "auth": auth } } });
        std::fs::write(config.path().join("config.json"), auths.to_string()).unwrap();
        client(folder.path()).with_docker_config(Some(config.path().to_owned()))
    };
    let refused = client(folder.path()).resolve(&reference).await.unwrap_err();
    assert!(
        matches!(&refused, EngineError::AccessDenied { said, .. } if said.contains("`docker login ")),
        "{refused}"
    );
    let refused = login("wrong-one").resolve(&reference).await.unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("with the credentials that Docker"),
        "{refused}"
    );
    assert!(!refused.contains("wrong-one"), "{refused}");

    let client = login(PASSWORD);
    let digest = client.resolve(&reference).await.unwrap();
    let fetched = client.fetch(&reference, &digest, &|_, _| {}).await.unwrap();
    assert_eq!(unpacked(&fetched), [layers[0].2.clone()]);
}
