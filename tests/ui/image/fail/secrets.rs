use image_runtime::{Image, app, image};

const TOKEN: &str = "TOKEN";

const A_TEXT: Image = image!(debian_slim().run_commands("make", secrets = ["TOKEN"]));
const NO_LIST: Image = image!(debian_slim().run_commands("make", secrets = Secret::from_env("TOKEN")));
const A_CONSTANT: Image = image!(debian_slim().run_commands("make", secrets = [TOKEN]));
const UNKNOWN: Image = image!(debian_slim().run_commands("make", secrets = [Secret::from_enf("TOKEN")]));
const ANOTHER_TYPE: Image = image!(debian_slim().run_commands("make", secrets = [Volume::from_name("TOKEN")]));
const NO_ARGUMENT: Image = image!(debian_slim().run_commands("make", secrets = [Secret::from_env()]));
const NO_VARIABLE: Image = image!(debian_slim().pip_install("a", secrets = [Secret::from_env("MY-TOKEN")]));
const A_PATH: Image = image!(debian_slim().pip_install("a", secrets = [Secret::from_name("../token")]));
const NOT_HERE: Image = image!(debian_slim().apt_install("git", secrets = [Secret::from_env("TOKEN")]));

#[app::function(secrets = [Secret::from_env("A=B")])]
fn call() {}

fn main() {}
