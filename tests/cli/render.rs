//! `render` prints what `docker build` makes an equal root file system of.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Command, Stdio};

use image_runtime::digest::Digest;

use crate::support::{Program, engine, engine_name, program, subject};

/// What images that these tests build are known by.
const MARK: &str = "image-runtime.test=render";

/// What a file of an image is, but for its time.
type Files = BTreeMap<String, String>;

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The program whose images are rendered.
fn rendered(arguments: &[&str]) -> Program {
    program(env!("CARGO_BIN_EXE_rendered"), arguments)
}

/// All files of an image, without those that the engine puts there.
fn files(image: &str) -> Files {
    let container = docker(&["create", image, "true"]);
    let mut export = Command::new("docker")
        .args(["export", &container])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut archive = tar::Archive::new(export.stdout.take().unwrap());
    let mut files = Files::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let engines = [
            "dev/",
            "proc/",
            "sys/",
            ".dockerenv",
            "etc/resolv.conf",
            "etc/hosts",
            "etc/hostname",
            "etc/mtab",
        ];
        if engines.iter().any(|engine| path.starts_with(engine)) {
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let link = entry
            .link_name()
            .unwrap()
            .map(|link| link.display().to_string());
        let what = format!(
            "{:?} {:o} {}:{} {} {}",
            header.entry_type(),
            header.mode().unwrap() & 0o7777,
            header.uid().unwrap(),
            header.gid().unwrap(),
            link.unwrap_or_default(),
            Digest::of(&content).short(),
        );
        files.insert(path, what);
    }
    assert!(export.wait().unwrap().success());
    docker(&["rm", &container]);
    files
}

#[test]
fn docker_makes_the_same_files_of_what_is_printed() {
    if !tests::is_for("`IMAGE_ENGINE=docker`", engine_name() == "docker") {
        return;
    }
    let built = rendered(&["build", "STAGES", "--json"]).run().good().json();
    let text = rendered(&["render", "STAGES"]).run().good().stdout;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Dockerfile");
    std::fs::write(&file, &text).unwrap();
    let context = env!("CARGO_MANIFEST_DIR");
    let image = docker(&[
        "build",
        "--quiet",
        "--label",
        MARK,
        "--file",
        file.to_str().unwrap(),
        context,
    ]);
    let ours = format!(
        "image-runtime/layer:{}",
        built[0]["layer"].as_str().unwrap()
    );
    let (ours, theirs) = (files(&ours), files(&image));
    docker(&["rmi", &image]);
    // Of the stages below.
    docker(&[
        "image",
        "prune",
        "--force",
        "--filter",
        &format!("label={MARK}"),
    ]);
    let differ: Vec<_> = ours
        .keys()
        .chain(theirs.keys())
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .map(|path| format!("{path}: {:?}, {:?}", ours.get(path), theirs.get(path)))
        .collect();
    assert!(differ.is_empty(), "{text}\n{}", differ.join("\n"));
    assert!(ours.contains_key("srv/app/own/made"));
}

#[test]
fn commands_are_lent_the_secrets_that_a_dockerfile_can_name_and_the_others_are_said() {
    if !engine() {
        return;
    }
    let text = rendered(&["render", "LENT"]).run().good().stdout;
    let lines: Vec<_> = text.lines().collect();
    let mount = "--mount=type=secret,id=IMAGE_TESTS_TOKEN,env=IMAGE_TESTS_TOKEN";
    assert_eq!(
        lines[lines.len() - 1],
        format!("RUN {mount} true"),
        "{text}"
    );
    let said = lines[lines.len() - 2];
    assert!(
        said.starts_with("# The next step needs the variables of `image-runtime-tests`."),
        "{text}"
    );
    let command =
        "# docker build --secret id=IMAGE_TESTS_TOKEN,env=IMAGE_TESTS_TOKEN --file THIS-FILE /";
    assert!(text.contains(command), "{text}");
}

#[test]
fn commands_are_lent_files_of_the_stages_that_are_written_above() {
    if !engine() {
        return;
    }
    let text = rendered(&["render", "LENT_FILES"]).run().good().stdout;
    let (above, below) = text.split_once(" AS stage3\n").unwrap();
    for stage in ["mkdir -p /out/deep", " AS stage2\n"] {
        assert!(above.contains(stage), "{text}");
    }
    for flag in [
        "--mount=type=bind,from=stage1,source=/out,target=/lent/out cat",
        "--mount=type=bind,from=stage1,source=out/soft,target=/one,rw cat",
        "--mount=type=bind,from=stage2,source=/,target=/tmp/whole --mount=type=bind,source=Cargo.toml,target=/tmp/lent/mine test",
    ] {
        assert!(below.contains(flag), "{text}");
    }
}

#[test]
fn files_that_only_containers_see_are_said_to_be_left_out() {
    if !engine() {
        return;
    }
    let warning = "`cli/data/conda` is not in it: with `copy = false`, only containers of this program see it, at `/seen`";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seen");
    let export = ["export", "SEEN", path.to_str().unwrap()];
    for arguments in [&["render", "SEEN"][..], &export] {
        let arguments = [arguments, &["--json"]].concat();
        let ended = rendered(&arguments).run().good();
        let said = ended.stderr.matches(&format!("warning: {warning}")).count();
        assert_eq!(said, 1, "{}", ended.stderr);
        let report = ended.json();
        let warnings = report["warnings"].as_array().unwrap();
        assert!(
            warnings[0].as_str().unwrap().starts_with(warning),
            "{report}"
        );
        assert_eq!(warnings.len(), 1);
    }
    let all_in_it = rendered(&["render", "LENT", "--json"]).run().good();
    assert!(
        all_in_it.json()["warnings"].is_null(),
        "{}",
        all_in_it.stdout
    );
}

#[test]
fn an_image_that_is_not_there_is_wrong_usage() {
    subject(&["render", "NOPE"])
        .run()
        .with(2, &["no image is called `NOPE`", "`DEBIAN`"]);
}
