//! Images of a private registry: its login comes from a secret, and stays in it.

use std::path::Path;

use crate::export::Registry;
use crate::support::{Program, engine, engine_name, program, remove_with_those_above, subject};

/// Where the images of the program say that it is.
const HOST: &str = "127.83.21.7:42571";
const SECRET: &str = "image-runtime-tests-registry";
/// `sesame`, by bcrypt: the one kind that the registry takes.
const USERS: &str = "tester:$2b$05$BpymjxBwISEjubByIFbNwe/gP6faTqp5KbQwtL61/NqtMjwy5XRY2\n";

fn private(arguments: &[&str], store: &Path) -> Program {
    program(env!("CARGO_BIN_EXE_private"), arguments)
        .env("IMAGE_STORE", store)
        .env("DOCKER_CONFIG", store.join("none"))
        .env("IMAGE_TESTS_LOGIN", "tester:wrong-one")
}

fn keep(variables: &[&str], store: &Path) {
    let create = [&["secret", "create", SECRET, "--force"], variables].concat();
    let created = subject(&create).env("IMAGE_STORE", store).run();
    created.good();
}

#[test]
fn a_private_image_is_pulled_with_the_login_of_its_secret() {
    if !engine() {
        return;
    }
    let _alone = tests::take_address(HOST);
    let Some(_registry) = Registry::start_at(HOST.to_owned(), Some(USERS)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path();
    let docker = store.join("docker");
    std::fs::create_dir(&docker).unwrap();
    // Of `tester:sesame`.
    let config = format!("{{\"auths\":{{\"{HOST}\":{{\"auth\":\"dGVzdGVyOnNlc2FtZQ==\"}}}}}}");
    std::fs::write(docker.join("config.json"), config).unwrap();
    let reference = format!("{HOST}/team/private:1");
    private(&["push", "NOTHING", &reference], store)
        .env("DOCKER_CONFIG", &docker)
        .run()
        .good();

    let build = |image| private(&["build", image], store).run();
    build("PRIVATE").with(
        1,
        &[
            "the secret `image-runtime-tests-registry` is missing",
            "secret create image-runtime-tests-registry REGISTRY_USERNAME=… REGISTRY_PASSWORD=-",
        ],
    );
    keep(&["PASSWORD=sesame"], store);
    build("PRIVATE").with(
        1,
        &[
            "holds no login for a registry: it needs the variables `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`",
            "secret create image-runtime-tests-registry REGISTRY_USERNAME=",
        ],
    );
    let refused = build("BY_VARIABLE").with(1, &["127.83.21.7:42571"]);
    assert!(!refused.stderr.contains("wrong-one"), "{}", refused.stderr);
    if engine_name() == "embedded" {
        refused.with(
            1,
            &[
                "the registry refuses access to `127.83.21.7:42571/team/private:1`",
                "with the login of the image’s `secret`",
            ],
        );
    }
    keep(
        &["REGISTRY_USERNAME=tester", "REGISTRY_PASSWORD=sesame"],
        store,
    );
    let read = private(&["call", "read"], store).run().good();
    assert!(read.stdout.contains("[package]"), "{}", read.stdout);
    private(&["build", "BY_VARIABLE"], store)
        .env("IMAGE_TESTS_LOGIN", "tester:sesame")
        .run()
        .good();
    // What was built without a lock is what the lock then says; what it says of another program stays.
    let lock = store.join("image.lock");
    std::fs::write(
        &lock,
        "version = 1\n\n[[image]]\nname = \"ML\"\nprogram = \"other\"\n",
    )
    .unwrap();
    let with_lock = |arguments: &[&str]| {
        let program = private(arguments, store).env("IMAGE_LOCK", &lock);
        program
            .env("IMAGE_TESTS_LOGIN", "tester:sesame")
            .run()
            .good()
    };
    with_lock(&["build", "COPIED"]);
    with_lock(&["lock"]);
    let text = std::fs::read_to_string(&lock).unwrap();
    for program in ["program = \"other\"", "program = \"private\""] {
        assert!(text.contains(program), "{text}");
    }
    let built = with_lock(&["build", "COPIED", "--locked", "--json"]).json();
    assert_eq!(built[0]["built"], 0, "{built}");
    with_lock(&["lock", "--update"]);
    let built = with_lock(&["build", "COPIED", "--json"]).json();
    assert_eq!(built[0]["built"], 0, "{built}");
    if engine_name() == "docker" {
        // Elsewhere it lies in the folder.
        let built = private(&["build", "--json", "PRIVATE"], store).run().good();
        remove_with_those_above(built.json()[0]["layer"].as_str().unwrap());
    }
}
