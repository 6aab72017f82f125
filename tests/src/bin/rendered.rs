//! A program whose images are written as Dockerfiles.

use image_runtime::{Image, app, image};

const STAGES: Image = image!(
    from_dockerfile("functions/dockerfiles/stages.Dockerfile")
        .workdir("/srv/app")
        .env({ "QUOTED": "a \"b\" $c \\ d" })
        .run_commands(
            "echo \"$QUOTED\" > quoted; id -un > user",
            "cat <<EOF > document\nof $PWD\nEOF"
        )
        .copy_local_dir("src", "/srv/src", ignore = ["bin/*.rs", "!bin/plain.rs"])
        .copy_local_file("Cargo.toml", "/etc/copied/")
        .copy_local_file("cli/data/odd[1].txt", "/etc/copied/odd")
        .copy_local_file("cli/data/linked/named", "/etc/copied/")
        .copy_local_dir("cli/data/linked", "/srv/linked", ignore = ["*.tmp"])
        .dockerfile_commands(
            "COPY --chown=app . /srv/owned/",
            "COPY --chown=app <<text /srv/owned/text\nof app\ntext",
            "COPY --chown=12:34 . /srv/numbered",
            context_dir = "cli/data/linked"
        )
        .dockerfile_commands(
            "ARG WHO=app\nUSER $WHO\nWORKDIR own",
            "RUN echo $WHO > made && stat -c %U:%G . .. > /tmp/owners",
            "LABEL a=\"b c\"\nEXPOSE 80\nSTOPSIGNAL SIGINT\nHEALTHCHECK --interval=1m CMD true\nCMD [\"sleep\", \"1\"]"
        )
);

const LENT: Image = image!(
    scratch()
        .copy_local_file("Cargo.toml", "/Cargo.toml")
        .run_commands(
            "true",
            secrets = [
                Secret::from_env("IMAGE_TESTS_TOKEN"),
                Secret::from_name("image-runtime-tests"),
            ]
        )
);
const LENT_FILES: Image = image!(from_dockerfile("functions/dockerfiles/lent.Dockerfile"));
const SEEN: Image = image!(
    scratch()
        .copy_local_file("Cargo.toml", "/Cargo.toml")
        .add_local_dir("cli/data/conda", "/seen", copy = false)
);

#[app::function(image = LENT)]
fn in_lent() {}

#[app::function(image = LENT_FILES)]
fn in_lent_files() {}

#[app::function(image = SEEN)]
fn in_seen() {}

#[app::function(image = STAGES)]
fn in_stages() {}

#[app::main]
fn main() {}
