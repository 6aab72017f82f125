//! What only the Docker engine can do or get wrong: how it is reached, registries, and what stays in images.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use image_runtime::engine::docker::DockerEngine;
use image_runtime::engine::{ContainerSpec, EngineError};
use serde_json::{Value, json};

use crate::bench::{self, Bench, idle, shell};
use crate::registry::Registry;
use crate::tree::{file, small_system};

async fn connect(socket: &Path) -> Result<DockerEngine, EngineError> {
    DockerEngine::connect_to(&format!("unix://{}", socket.display())).await
}

fn assert_says(error: &EngineError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[tokio::test]
async fn no_daemon_is_an_error_that_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let error = connect(&socket).await.unwrap_err();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "{error:?}"
    );
    assert_says(
        &error,
        &[
            "docker.sock",
            "No such file",
            "systemctl start docker",
            "DOCKER_HOST",
        ],
    );
    // A socket that a daemon left behind.
    drop(UnixListener::bind(&socket).unwrap());
    let error = connect(&socket).await.unwrap_err();
    assert_says(
        &error,
        &["docker.sock", "refused", "systemctl start docker"],
    );
}

#[tokio::test]
async fn an_address_of_an_unknown_kind_is_an_error_that_says_which_are_known() {
    let error = DockerEngine::connect_to("ssh://me@box").await.unwrap_err();
    assert_says(
        &error,
        &["ssh://me@box", "`unix://`", "`tcp://`", "DOCKER_HOST"],
    );
}

#[test]
fn a_socket_without_permission_is_an_error_that_names_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600)).unwrap();
    let attempt = move || {
        // As root this thread alone becomes another user.
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        } else {
            std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o000)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(connect(&socket)).unwrap_err()
    };
    let error = std::thread::spawn(attempt).join().unwrap();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "{error:?}"
    );
    assert_says(&error, &["ermission denied", "usermod -aG docker"]);
}

/// A socket where one request gets a fixed answer.
fn answering(socket: &Path, answer: &'static str) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
}

#[tokio::test]
async fn a_daemon_that_is_too_old_is_named_with_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    answering(
        &socket,
        "HTTP/1.1 404 Not Found\r\nApi-Version: 1.39\r\nServer: Docker/18.09.9 (linux)\r\n\r\n",
    );
    let error = connect(&socket).await.unwrap_err();
    assert!(
        matches!(error, EngineError::Unsupported { .. }),
        "{error:?}"
    );
    assert_says(&error, &["Docker 18.09.9", "1.39", "1.40", "19.03"]);
}

#[tokio::test]
async fn what_is_no_daemon_is_not_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    answering(&socket, "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n");
    let error = connect(&socket).await.unwrap_err();
    assert_says(&error, &["not Docker or Podman"]);
}

#[tokio::test]
async fn a_daemon_that_wants_tls_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    answering(
        &socket,
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    );
    let error = connect(&socket).await.unwrap_err();
    assert_says(&error, &["wants TLS", "ssh -NL", "DOCKER_HOST"]);
}

/// Runs a case on the machine's daemon.
async fn on_docker(name: &str, case: impl AsyncFnOnce(&Bench)) {
    bench::on("docker", &format!("docker::{name}"), case).await;
}

/// What the daemon says of the image that is a layer.
fn inspect(layer: &image_runtime::digest::LayerId) -> Value {
    let name = format!("image-runtime/layer:{layer}");
    let output = Command::new("docker")
        .args(["image", "inspect", &name])
        .output()
        .unwrap();
    serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].take()
}

fn image_with_opinions() -> Value {
    json!({
        "User": "user",
        "WorkingDir": "/tmp",
        "Env": ["PATH=/usr/bin", "OF_IMAGE=yes", "BOTH=image"],
        "Entrypoint": ["/bin/sh", "-c", "echo the entrypoint"],
        "Cmd": ["the command"],
        "Healthcheck": { "Test": ["CMD-SHELL", "exit 1"] },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_by_digest_and_its_own_settings_do_not_interfere() {
    on_docker("an_image_is_pulled", async |bench| {
        let registry = Registry::serve("some/image", &small_system(), image_with_opinions());
        let reference = format!("{}/some/image:1", registry.address);
        let digest = bench.engine.resolve(&reference, None).await.unwrap();
        assert_eq!(digest, registry.digest);

        let new = bench.new_layer(None);
        let told = Mutex::new(Vec::new());
        let progress = |done, total| told.lock().unwrap().push((done, total));
        let config = bench
            .engine
            .pull(&new, &reference, &digest, None, &progress)
            .await
            .unwrap();
        let env = [("PATH", "/usr/bin"), ("OF_IMAGE", "yes"), ("BOTH", "image")];
        assert_eq!(
            config.env,
            env.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(
            (config.workdir.as_str(), config.user.as_str()),
            ("/tmp", "user")
        );
        let told = told.into_inner().unwrap();
        assert!(told.iter().all(|(done, total)| done <= total), "{told:?}");

        let spec = ContainerSpec {
            env: vec![("BOTH".to_owned(), "mine".to_owned())],
            ..shell(
                new.id,
                "/usr/bin/env | /usr/bin/tail -n 100; pwd; /usr/bin/id -u",
            )
        };
        let (exit, lines) = bench.run(&spec).await;
        assert_eq!(exit.code, 0, "{lines:?}");
        assert!(lines.contains(&"BOTH=mine".to_owned()), "{lines:?}");
        assert!(
            lines.iter().all(|line| !line.starts_with("OF_IMAGE")),
            "{lines:?}"
        );
        assert_eq!(lines[lines.len() - 2..], ["/", "0"]);

        // A layer built on it keeps the image's own settings, and nothing of the containers that made it.
        let container = bench
            .start_idle(&ContainerSpec {
                env: Vec::new(),
                ..idle_by_path(new.id)
            })
            .await;
        let saved = bench.new_layer(Some(new.id));
        container.save(&saved).await.unwrap();
        container.remove().await.unwrap();
        let above = bench.layer(Some(saved.id), [file("x", "")]).await.unwrap();
        for layer in [new.id, saved.id, above] {
            let config = inspect(&layer)["Config"].take();
            for (key, value) in image_with_opinions().as_object().unwrap() {
                assert_eq!(&config[key], value, "{key}");
            }
        }
    })
    .await;
}

fn idle_by_path(layer: image_runtime::digest::LayerId) -> ContainerSpec {
    let mut spec = idle(layer, "");
    spec.argv = ["/bin/sh", "-c", "echo ready; exec /usr/bin/sleep 1000"]
        .map(str::to_owned)
        .to_vec();
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_is_a_plain_image_for_others() {
    on_docker("a_layer_is_a_plain_image_for_others", async |bench| {
        let system = bench.system().await;
        let container = bench
            .start_idle(&ContainerSpec {
                env: Vec::new(),
                ..idle_by_path(system)
            })
            .await;
        let saved = bench.new_layer(Some(system));
        container.save(&saved).await.unwrap();
        container.remove().await.unwrap();
        let image = inspect(&saved.id);
        let config = &image["Config"];
        for key in ["Env", "Cmd"] {
            let empty = config[key].as_array().is_none_or(|items| {
                items
                    .iter()
                    .all(|item| item.as_str().is_some_and(|text| text.starts_with("PATH=")))
            });
            assert!(empty, "{key}: {config}");
        }
        assert!(
            config["Entrypoint"].as_array().is_none_or(Vec::is_empty),
            "{config}"
        );
        let labels = config["Labels"].as_object().unwrap();
        assert_eq!(labels["image-runtime.layer"], saved.id.to_string());
        assert_eq!(
            labels["image-runtime.owner"], "",
            "a container of a user would be swept"
        );
        let text = image.to_string();
        assert!(
            !text.contains("sleep 1000") || image["ContainerConfig"].is_object(),
            "{text}"
        );
        let name = format!("image-runtime/layer:{}", saved.id);
        let run = [
            "run",
            "--rm",
            "--network",
            "none",
            &name,
            "/bin/sh",
            "-c",
            "echo hello",
        ];
        let output = Command::new("docker").args(run).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "hello\n",
            "{output:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_image_can_be_a_base() {
    on_docker("a_local_image_can_be_a_base", async |bench| {
        let system = bench.system().await;
        // No registry has it, and the daemon does.
        let reference = format!("image-runtime/layer:{system}");
        let digest = bench.engine.resolve(&reference, None).await.unwrap();
        assert!(digest.starts_with("sha256:"), "{digest}");
        let new = bench.new_layer(None);
        bench
            .engine
            .pull(&new, &reference, &digest, None, &|_, _| {})
            .await
            .unwrap();
        assert_eq!(bench.sh(new.id, "echo it runs").await, ["it runs"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_image_leaves_no_name_of_its_own() {
    on_docker("a_pulled_image_leaves_no_name", async |bench| {
        let registry = Registry::serve(
            "own/name",
            &small_system(),
            json!({ "Labels": { "a": "b" } }),
        );
        let reference = format!("{}/own/name:1", registry.address);
        let new = bench.new_layer(None);
        bench
            .engine
            .pull(&new, &reference, &registry.digest, None, &|_, _| {})
            .await
            .unwrap();
        let output = Command::new("docker")
            .args(["images", "--digests"])
            .output()
            .unwrap();
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!listed.contains(&registry.address), "{listed}");
        assert_eq!(bench.sh(new.id, "echo it runs").await, ["it runs"]);
        assert!(
            registry
                .requests()
                .iter()
                .any(|path| path.contains("/blobs/"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_image_is_told_from_a_registry_that_does_not_answer() {
    on_docker("an_unknown_image", async |bench| {
        let registry = Registry::serve("some/image", &small_system(), json!({}));
        let unknown = format!("{}/some/image:2", registry.address);
        let error = bench.engine.resolve(&unknown, None).await.unwrap_err();
        assert!(
            matches!(error, EngineError::NoSuchImage { .. }),
            "{error:?}"
        );

        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let nobody = format!("{closed}/some/image:1");
        let error = bench.engine.resolve(&nobody, None).await.unwrap_err();
        assert!(
            matches!(error, EngineError::RegistryUnreachable { .. }),
            "{error:?}"
        );

        let digest = format!("sha256:{}", "0".repeat(64));
        let new = bench.new_layer(None);
        let error = bench
            .engine
            .pull(&new, &unknown, &digest, None, &|_, _| {})
            .await
            .unwrap_err();
        assert!(
            matches!(error, EngineError::NoSuchImage { .. }),
            "{error:?}"
        );
        let error = bench
            .engine
            .pull(&new, &nobody, &digest, None, &|_, _| {})
            .await
            .unwrap_err();
        assert!(
            matches!(error, EngineError::RegistryUnreachable { .. }),
            "{error:?}"
        );
        assert!(!bench.engine.has_layer(&new.id).await.unwrap());
    })
    .await;
}
