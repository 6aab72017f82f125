//! A registry on this machine, of one image, as a daemon asks it.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_runtime::digest::Digest;
use image_runtime::engine::EntryKind;
use serde_json::{Value, json};

use crate::tree::Tree;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A registry. Its thread ends with the process.
pub(crate) struct Registry {
    /// `127.0.0.1:port`
    pub(crate) address: String,
    /// Of the manifest: `sha256:…`
    pub(crate) digest: String,
    requests: Arc<Mutex<Vec<String>>>,
    /// The paths of the layers, the lowest first.
    layers: Vec<String>,
    held: Arc<Mutex<HashSet<String>>>,
}

impl Registry {
    /// Serves `tree`, with `config` as the image's own configuration, under the name `path` and the tag `1`.
    pub(crate) fn serve(path: &str, tree: &Tree, config: Value) -> Self {
        Self::serve_layers(path, &[tree], config)
    }

    /// The same of an image with several layers, the lowest first.
    pub(crate) fn serve_layers(path: &str, trees: &[&Tree], config: Value) -> Self {
        let layers: Vec<_> = trees.iter().map(|tree| archive(tree)).collect();
        let diffs: Vec<_> = layers.iter().map(|layer| named(layer)).collect();
        let config = json!({
            "architecture": if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
            "os": "linux",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": diffs },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": named(&config),
            },
            "layers": layers.iter().map(|layer| json!({
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": layer.len(),
                "digest": named(layer),
            })).collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let digest = named(&manifest);
        let mut pages = HashMap::from([("/v2/".to_owned(), Vec::new())]);
        for reference in ["1", &digest] {
            pages.insert(
                format!("/v2/{path}/manifests/{reference}"),
                manifest.clone(),
            );
        }
        let place = |blob: &[u8]| format!("/v2/{path}/blobs/{}", named(blob));
        let paths = layers.iter().map(|layer| place(layer)).collect();
        for blob in layers.into_iter().chain([config]) {
            pages.insert(place(&blob), blob);
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let held = Arc::<Mutex<HashSet<String>>>::default();
        let (pages, seen) = (Arc::new(pages), Arc::clone(&requests));
        let waiting = Arc::clone(&held);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, seen) = (Arc::clone(&pages), Arc::clone(&seen));
                let held = Arc::clone(&waiting);
                std::thread::spawn(move || answer(stream, &pages, &seen, &held));
            }
        });
        Self {
            address,
            digest,
            requests,
            layers: paths,
            held,
        }
    }

    /// Answers no request for a layer until it is let go.
    pub(crate) fn hold(&self, layer: usize) {
        let path = self.layers[layer].clone();
        self.held.lock().unwrap().insert(path);
    }

    /// Answers all requests again.
    pub(crate) fn let_go(&self) {
        self.held.lock().unwrap().clear();
    }

    /// Whether somebody wants a layer.
    pub(crate) fn is_asked_for(&self, layer: usize) -> bool {
        let requests = self.requests.lock().unwrap();
        requests.contains(&self.layers[layer])
    }

    /// The paths that were asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(
    stream: TcpStream,
    pages: &HashMap<String, Vec<u8>>,
    seen: &Mutex<Vec<String>>,
    held: &Mutex<HashSet<String>>,
) {
    let mut reader = BufReader::new(&stream).lines();
    while let Some(Ok(request)) = reader.next() {
        // The headers; requests here have no body.
        reader
            .by_ref()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .for_each(drop);
        let mut words = request.split(' ');
        let (method, path) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        seen.lock().unwrap().push(path.to_owned());
        while held.lock().unwrap().contains(path) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let unknown =
            json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] });
        let unknown = unknown.to_string().into_bytes();
        let (status, page) = match pages.get(path) {
            Some(page) => ("200 OK", page),
            None => ("404 Not Found", &unknown),
        };
        let kind = if path.contains("/manifests/") {
            MANIFEST
        } else {
            "application/octet-stream"
        };
        let kind = if status.starts_with("404") {
            "application/json"
        } else {
            kind
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Docker-Distribution-Api-Version: registry/2.0\r\nDocker-Content-Digest: {}\r\n\r\n",
            page.len(),
            named(page),
        );
        let body: &[u8] = if method == "HEAD" { &[] } else { page };
        if (&stream)
            .write_all(head.as_bytes())
            .and_then(|()| (&stream).write_all(body))
            .is_err()
        {
            return;
        }
    }
}

fn named(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn archive(tree: &Tree) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for item in &tree.0 {
        let mut header = tar::Header::new_gnu();
        header.set_mode(item.entry.mode);
        header.set_uid(item.entry.uid.into());
        header.set_gid(item.entry.gid.into());
        header.set_size(item.content.len() as u64);
        match &item.entry.kind {
            EntryKind::Symlink { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, &item.entry.path, target)
                    .unwrap();
                continue;
            }
            EntryKind::Directory => header.set_entry_type(tar::EntryType::Directory),
            _ => header.set_entry_type(tar::EntryType::Regular),
        }
        tar.append_data(
            &mut header,
            &item.entry.path,
            item.content.as_slice().take(u64::MAX),
        )
        .unwrap();
    }
    tar.into_inner().unwrap()
}
