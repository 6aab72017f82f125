use image_runtime::{Image, image};

const NO_FILE: Image = image!(from_dockerfile("./Dockerfile.missing"));
const A_DIRECTORY: Image = image!(from_dockerfile("."));
const NO_CONTEXT: Image = image!(scratch().dockerfile_commands("RUN x", context_dir = "nowhere"));
const NO_INSTRUCTION: Image = image!(scratch().dockerfile_commands("RUNN make"));
const FROM: Image = image!(scratch().dockerfile_commands("FROM debian"));
const SECOND_TEXT: Image = image!(scratch().dockerfile_commands("ENV A=1\nENV B=2", "ENV C"));
const OUTSIDE: Image = image!(scratch().dockerfile_commands("COPY ../etc/passwd /etc/"));
const NO_SOURCE: Image = image!(scratch().dockerfile_commands("COPY Cargo.tom /app/"));

fn main() {}
