//! Manifests and configurations as registries have them, and as they must not be.

use serde_json::{Value, json};

use super::manifest::{Document, ImageFile};
use super::platform::Platform;
use crate::digest::Digest;

fn parse(document: &Value) -> Result<Document, String> {
    Document::parse(document.to_string().as_bytes()).map_err(|failure| failure.to_string())
}

fn descriptor(media_type: &str) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{}", Digest::of(b"")), "size": 3 })
}

fn manifest(config: &str, layers: &[&str]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|layer| descriptor(layer)).collect();
    json!({ "schemaVersion": 2, "config": descriptor(config), "layers": layers })
}

const OCI: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER: &str = "application/vnd.docker.container.image.v1+json";

#[test]
fn images_of_oci_and_of_docker_are_read() {
    for (config, layers) in [
        (
            OCI,
            &[
                "application/vnd.oci.image.layer.v1.tar",
                "application/vnd.oci.image.layer.v1.tar+gzip",
                "application/vnd.oci.image.layer.v1.tar+zstd",
            ][..],
        ),
        (
            DOCKER,
            &[
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "application/vnd.docker.image.rootfs.diff.tar",
            ][..],
        ),
        (OCI, &[]),
    ] {
        match parse(&manifest(config, layers)) {
            Ok(Document::Manifest(manifest)) => assert_eq!(manifest.layers.len(), layers.len()),
            other => panic!("{other:?}"),
        }
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": [descriptor("x")],
    });
    assert!(matches!(parse(&index), Ok(Document::Index(list)) if list.len() == 1));
}

#[test]
fn what_is_no_image_is_refused_with_its_reason() {
    let refused = |document: Value| parse(&document).unwrap_err();
    let chart = "application/vnd.cncf.helm.config.v1+json";
    assert_eq!(
        refused(manifest(chart, &[])),
        format!("it is no container image but holds `{chart}`")
    );
    let secret = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    assert_eq!(
        refused(manifest(OCI, &[secret])),
        format!("it has a layer of the unknown kind `{secret}`")
    );
    assert!(refused(json!({ "schemaVersion": 1, "fsLayers": [] })).contains("version 1"));
    assert!(refused(json!([])).contains("malformed"));
}

#[test]
fn what_could_be_two_things_is_refused() {
    let mut both = manifest(OCI, &[]);
    both["manifests"] = json!([]);
    let mut wrongly_called = manifest(OCI, &[]);
    wrongly_called["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    for document in [both, wrongly_called, json!({ "schemaVersion": 2 })] {
        assert!(
            parse(&document).unwrap_err().contains("neither"),
            "{document}"
        );
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let layer = "application/vnd.oci.image.layer.v1.tar";
    let mut layers = manifest(OCI, &[layer, layer]);
    layers["layers"][0]["size"] = json!(u64::MAX);
    let mut config = manifest(OCI, &[]);
    config["config"]["size"] = json!(1_u64 << 40);
    for document in [layers, config] {
        assert!(parse(&document).unwrap_err().contains("impossible size"));
    }
    let mut negative = manifest(OCI, &[layer]);
    negative["layers"][0]["size"] = json!(-1);
    assert!(parse(&negative).unwrap_err().contains("malformed"));
}

fn here() -> Platform {
    Platform::of_this_program()
}

fn image_file(file: &Value, layers: usize) -> Result<ImageFile, String> {
    ImageFile::parse(file.to_string().as_bytes(), layers, &here())
        .map_err(|failure| failure.to_string())
}

#[test]
fn a_configuration_gives_environment_user_and_layers() {
    let layer = Digest::of(b"layer");
    let file = json!({
        "os": "linux",
        "architecture": here().architecture,
        "config": { "Env": ["PATH=/bin", "A=b=c", "odd"], "WorkingDir": "/w", "User": "1:2", "Entrypoint": ["/run", "-x"], "Cmd": null },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
    });
    let read = image_file(&file, 1).unwrap();
    assert_eq!(read.diff_ids, [layer]);
    let env = [("PATH", "/bin"), ("A", "b=c")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(read.config.env, env);
    assert_eq!((&*read.config.workdir, &*read.config.user), ("/w", "1:2"));
    assert_eq!(read.config.entrypoint, ["/run", "-x"]);
    assert!(read.config.cmd.is_empty() && read.config.shell.is_empty());

    assert!(image_file(&file, 2).unwrap_err().contains("knows 1 layers"));
    let empty = json!({ "config": { "Env": null }, "rootfs": { "diff_ids": null } });
    assert!(image_file(&empty, 0).unwrap().config.env.is_empty());
}

#[test]
fn an_image_of_another_platform_is_refused() {
    let file = json!({ "os": "linux", "architecture": "s390x", "rootfs": { "diff_ids": [] } });
    let error = image_file(&file, 0).unwrap_err();
    assert_eq!(
        error,
        format!("it is an image of linux/s390x, and this is {}", here())
    );
}
