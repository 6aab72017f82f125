use image_runtime::{Image, image};

const IMAGE_INSIDE: Image = image!(image!(debian_slim()).apt_install("git"));
const IN_PARENTHESES: Image = image!((debian_slim()).apt_install("git"));
const IN_BRACES: Image = image!({ debian_slim() });
const KEYWORDS_AS_STEPS: Image = image!(debian_slim().force_build(true).python_version("3.11").ignore(["x"]));
const WORDS_OF_THE_LANGUAGE: Image = image!(debian_slim().match("six").apt_install("git", type = "x").await);
const OTHER_STRINGS: Image = image!(debian_slim().run_commands(b"true", c"true", b't'));
const ONE_SECRET: Image = image!(debian_slim().run_commands("true", secrets = Secret::from_name("x")));
const TWICE: Image = image!(debian_slim().env({ "A": 1, "A": "2" }));
const STRICT_AND_WRONG: Image = image!(
    debian_slim(builder_version = "2023.12", python_version = "3.9")
        .pip_install("six")
        .apt_install("a b")
        .copy_local_file("/etc/passwd", "x"),
    strict = true
);
const NOT_THERE: Image = image!(MISSING.run_commands("true"));

fn main() {}
