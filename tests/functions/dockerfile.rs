//! Dockerfiles: their instructions are layers, and functions run in what they make.

use std::process::Command;

use image_runtime::{Image, app, image};
use tests::served::Served;

use crate::DEBIAN;

const PLAIN: Image = image!(from_dockerfile(
    "./functions/dockerfiles/plain.Dockerfile",
    build_args = { "SUITE": "bookworm", "GREETING": "good day" }
));
const COMMANDS: Image = image!(
    DEBIAN
        .env({ "A": "1" })
        .dockerfile_commands(
            "ARG B=$A$A\nENV C=${B}2",
            "RUN echo $A $B $C > /numbers",
            "COPY lib.rs /copied",
            context_dir = "src"
        )
        .run_commands("echo \"[$B] $C\" > /after")
);

/// The suite's own Python, where no registry answers.
const PYTHON: Image =
    image!(from_dockerfile("functions/dockerfiles/python.Dockerfile").pip_install("six==1.16.0"));

fn sh(line: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", line]).output();
    let output = output.expect("the image has a shell");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[app::function(image = PLAIN)]
fn in_plain(line: &str) -> String {
    sh(line)
}

#[app::function(image = COMMANDS)]
fn in_commands(line: &str) -> String {
    sh(line)
}

#[app::test]
async fn a_dockerfile_is_built_and_a_function_runs_in_it() {
    let run = async |line: &str| in_plain::remote(line).await.unwrap();
    assert_eq!(run("cut -d. -f1 /etc/debian_version").await, "12");
    assert_eq!(run("pwd; id -un").await, "/srv/app/work\napp");
    assert_eq!(run("cat ../said").await, "good day world\nroot");
    // Within one `ENV`, the values of before count.
    assert_eq!(run("echo $TEXT $GREETING").await, "good day, nobody");
    assert_eq!(run("cat /etc/motd").await, "text: good day, nobody");
    assert_eq!(run("cat ../heredoc").await, "first\ngood day");
    assert_eq!(
        run("ls ../copied").await,
        "Cargo.toml\nimages.rs\nvalues.rs"
    );
    assert_eq!(
        run("ls /srv/src /srv/src/bin; stat -c %u /srv/src/lib.rs").await,
        "/srv/src:\nbin\ndaemon.rs\nlib.rs\nserved.rs\n\n/srv/src/bin:\nplain.rs\n0"
    );
}

#[app::function(image = PYTHON)]
fn in_dockerfile_python(line: &str) -> String {
    sh(line)
}

#[app::test]
async fn other_steps_follow_a_dockerfile() {
    let said = in_dockerfile_python::remote(
        "cat /version; python -c 'import six; print(six.__version__)'",
    );
    let said = said.await.unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("Python 3.11."), "{said}");
    assert_eq!(lines[1], "1.16.0");
}

#[app::test]
async fn instructions_follow_other_steps_and_their_arguments_end_with_them() {
    let run = async |line: &str| in_commands::remote(line).await.unwrap();
    assert_eq!(run("cat /numbers").await, "1 11 112");
    assert_eq!(run("cat /after").await, "[] 112");
    assert_eq!(run("head -1 /copied").await, "//! Support of the tests.");
}

const STAGES: Image = image!(from_dockerfile("functions/dockerfiles/stages.Dockerfile"));

const TARGET: Image = image!(from_dockerfile(
    "functions/dockerfiles/stages.Dockerfile",
    target = "build"
));

#[app::function(image = TARGET)]
fn in_target(line: &str) -> String {
    sh(line)
}

#[app::test]
async fn the_stage_that_is_named_is_the_image() {
    let run = async |line: &str| in_target::remote(line).await.unwrap();
    assert_eq!(
        run("cat /out/made; ls -d /existing /scope /all").await,
        "by perl\n/existing"
    );
}

#[app::function(image = STAGES)]
fn in_stages(line: &str) -> String {
    sh(line)
}

#[app::test]
async fn stages_copy_from_each_other_with_owners_modes_and_links() {
    let run = async |line: &str| in_stages::remote(line).await.unwrap();
    assert_eq!(
        run("cat /out/made /existing/made").await,
        "by perl\nby perl"
    );
    assert_eq!(run("cat /scope").await, "ok");
    assert_eq!(run("ls /lib-only").await, "a.so\nb.so\nhard.so\nsoft.so");
    assert_eq!(run("stat -c %u:%g:%a /lib-only/b.so").await, "7:8:600");
    assert_eq!(
        run("test /all/lib/a.so -ef /all/lib/hard.so && echo same").await,
        "same"
    );
    assert_eq!(run("readlink /all/lib/soft.so").await, "a.so");
    assert_eq!(
        run("stat -c %U:%G:%a /owned /owned/lib.rs").await,
        "app:audio:755\napp:audio:750"
    );
    assert_eq!(run("stat -c %u:%g /numbered/images.rs").await, "12:34");
    assert_eq!(
        run("cd /added && cat d/file && readlink d/link && stat -c %u:%g:%a d/file && ls").await,
        "packed\nfile\n5:6:640\nCargo.toml\nd"
    );
    // As Docker has it: what is unpacked belongs to whom the archive says.
    assert_eq!(run("stat -c %u:%g /owned-too/d/file").await, "0:0");
    assert_eq!(
        run("cat /documents/one /documents/two; stat -c %a /documents/one").await,
        "<good>\n$NAME\n640"
    );
}

/// What `ADD` fetches, by the ends of the addresses.
const SERVED: [(&str, &str); 2] = [("/one.txt", "one\n"), ("/two.txt?v=2", "two\n")];

const FETCHED: Image = image!(DEBIAN.dockerfile_commands(
    "ADD http://127.0.0.1:47831/one.txt /fetched/",
    "ADD --chown=7:8 --chmod=644 \\\n --checksum=sha256:27dd8ed44a83ff94d557f9fd0412ed5a8cbca69ea04922d88c01184a07300a5a \\\n http://127.0.0.1:47831/two.txt?v=2 /second"
));

#[app::function(image = FETCHED)]
fn in_fetched(line: &str) -> String {
    sh(line)
}

#[app::test]
async fn what_is_added_from_an_address_is_its_file_with_owner_and_mode() {
    let served = Served::at("127.0.0.1:47831");
    for (path, text) in SERVED {
        served.holds(path, text);
    }
    let run = async |line: &str| in_fetched::remote(line).await.unwrap();
    assert_eq!(
        run("cat /fetched/one.txt /second; stat -c %u:%g:%a /fetched/one.txt /second").await,
        "one\ntwo\n0:0:600\n7:8:644"
    );
}

const LENT: Image = image!(DEBIAN.dockerfile_commands(
    "RUN --mount=type=cache,id=tests-of-dockerfiles,target=/root/.cache/tool echo kept > /root/.cache/tool/file",
    "RUN --mount=type=cache,id=tests-of-dockerfiles,target=/elsewhere cp /elsewhere/file /from-cache",
    "RUN --mount=type=cache,target=/var/cache/apt,sharing=locked touch /var/cache/apt/lent && touch /var/cache/written",
    "RUN --mount=source=lib.rs,target=/tmp/lib.rs head -1 /tmp/lib.rs > /bound; ! echo x > /tmp/lib.rs",
    "RUN --mount=type=tmpfs,target=/opt/scratch/deep touch /opt/scratch/deep/file && test -e /opt/scratch/deep/file",
    "RUN --mount=type=secret,id=TOKEN test \"$(cat /run/secrets/TOKEN)\" = 's3cret value' && test -z \"$TOKEN\"",
    "RUN --mount=type=secret,id=TOKEN,env=LENT test \"$LENT\" = 's3cret value' && test ! -e /run/secrets",
    "RUN --mount=type=secret,id=NONE,required=false test ! -e /run/secrets/NONE",
    context_dir = "src",
    secrets = [Secret::from_dotenv("functions/dockerfiles/secret.env")]
));

#[app::function(image = LENT)]
fn in_lent(line: &str) -> String {
    sh(line)
}

#[app::test]
async fn what_a_command_is_lent_stays_in_no_layer() {
    let run = async |line: &str| in_lent::remote(line).await.unwrap();
    assert_eq!(
        run("cat /from-cache /bound").await,
        "kept\n//! Support of the tests."
    );
    let gone = "ls -d /root/.cache /elsewhere /var/cache/apt/lent /tmp/lib.rs /opt/scratch /run/secrets 2>/dev/null";
    assert_eq!(run(gone).await, "");
    assert_eq!(
        run("stat -c %F /var/cache/apt /var/cache/written /opt").await,
        "directory\nregular empty file\ndirectory"
    );
}

const LENT_BY_OTHERS: Image = image!(from_dockerfile("functions/dockerfiles/lent.Dockerfile"));

#[app::function(image = LENT_BY_OTHERS)]
fn in_lent_by_others(line: &str) -> String {
    sh(line)
}

#[app::test]
async fn a_command_is_lent_files_of_a_stage_and_of_an_image_and_they_stay_in_no_layer() {
    let run = async |line: &str| in_lent_by_others::remote(line).await.unwrap();
    assert_eq!(run("cat /seen").await, "made\n750\n/out/deep/made");
    // What is written into them is nobody else's.
    assert_eq!(run("cat /written").await, "made\nchanged\nmade");
    assert_eq!(run("cat /tmp/mine").await, "[package]");
    assert_eq!(
        run("ls -d /out /lent /one /tmp/whole /tmp/lent 2>/dev/null").await,
        ""
    );
}
