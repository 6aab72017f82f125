use image_runtime::{Image, image};

const TEXT: Image = image!(scratch().entrypoint("/bin/sh -c"));
const TEXTS: Image = image!(scratch().cmd("serve", "--port=80"));
const NOTHING: Image = image!(scratch().entrypoint());
const NUL: Image = image!(scratch().cmd(["a\0"]));
const NO_PROGRAM: Image = image!(scratch().shell([]));

fn main() {}
