//! What is written as it would be written elsewhere: one error each, which says how it is written here.
use image_runtime::{Image, image};

const FIRST: Image = image!(strict = true, debian_slim());
const BASES_KEYWORD: Image = image!(python_version = "3.11");
const BEHIND: Image = image!(debian_slim(), "3.11");
const STEP_BEHIND: Image = image!(debian_slim(), .apt_install("git"));
const ARROW: Image = image!(debian_slim(python_version => "3.11"));
const COMMAS: Image = image!(debian_slim().apt_install("git",, "curl"));
const COMMAS_BEHIND: Image = image!(debian_slim(),,);
const BRACKETS: Image = image!(debian_slim().pip_install["numpy==2.2.6"]);
const BRACES: Image = image!(debian_slim {});
const MACRO: Image = image!(debian_slim!());
const MACRO_WITH_BRACKETS: Image = image!(debian_slim().apt_install!["git"]);
const CFG: Image = image!(debian_slim().env(#[cfg(unix)] { "A": "1", #[cfg(unix)] "B": "2" }));
const CFG_OF_A_STEP: Image = image!(debian_slim() #[cfg(unix)] .apt_install("git"));
const DOCUMENTED: Image = image!(
    debian_slim()
        /// What we need.
        .apt_install("git")
);
const NO_VALUE: Image = image!(debian_slim().pip_install("numpy==2.2.6", pre).workdir(force_build));
const NO_VARIABLE: Image = image!(debian_slim().env({}));

fn main() {}
