//! Functions that run while an image is built: what they write is in it, and what they say when they fail is told.

use std::fs;

use anyhow::Context as _;
use image_runtime::{CallErrorKind, Image, app, image};

/// Runs in the image so far, with what its keywords give it.
#[app::function(
    env = { "WHO": "world" },
    secrets = [Secret::from_dotenv("functions/data/building.env")],
    timeout = "1m"
)]
fn write_greeting() -> std::io::Result<usize> {
    let who = std::env::var("WHO").expect("the function has its variable");
    let greeting = fs::read_to_string("/greeting")?;
    let secret = std::env::var("BUILDING_TOKEN").expect("the function has its secret");
    println!("the secret is {secret}");
    let image = std::env::var("IMAGE").expect("the function has the image's variables");
    let folder = std::env::current_dir()?;
    fs::write(
        "/greeted",
        format!(
            "{}, {who}! {image} {} {}",
            greeting.trim(),
            folder.display(),
            secret.len()
        ),
    )?;
    Ok(greeting.len())
}

#[app::function]
async fn write_later() {
    std::thread::spawn(|| {
        std::thread::sleep(std::time::Duration::from_secs(600));
        let _ = fs::write("/too-late", "");
    });
    fs::write("/later", "later").expect("the image can be written to");
}

#[app::python(file = "functions/scripts/building.py")]
fn write_in_python() -> anyhow::Result<()>;

const BY_PYTHON: Image = image!(debian_slim(python_version = "3.11").run_function(write_in_python));

#[app::function(image = BY_PYTHON)]
fn by_python() -> String {
    fs::read_to_string("/by-python").unwrap_or_default()
}

const GREETED: Image = image!(
    debian_slim()
        .run_commands("echo hello > /greeting")
        .env({ "IMAGE": "image" })
        .workdir("/work")
        .run_function(write_greeting)
        .run_function(self::write_later)
        .run_commands("cp /greeted /copied")
);

#[app::function(image = GREETED)]
fn greeted() -> (String, String, bool) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let has_secret = std::env::var_os("BUILDING_TOKEN").is_some();
    (read("/copied"), read("/later"), has_secret)
}

#[app::test]
async fn what_a_function_writes_while_the_image_is_built_is_in_it() {
    let (copied, later, has_secret) = greeted::remote().await.unwrap();
    assert_eq!(copied, "hello, world! image /work 17");
    assert_eq!(later, "later");
    assert!(!has_secret);
    assert_eq!(by_python::remote().await.unwrap(), "python");
}

#[app::function]
fn fail() -> anyhow::Result<()> {
    println!("looking");
    let parsed = "x".parse::<u8>();
    parsed.map(drop).context("the weights cannot be had")
}

#[app::function]
fn panic_while_building() {
    panic!("no weights at all");
}

#[app::function(timeout = "300ms")]
fn sleep_while_building() {
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[app::function]
fn call_while_building() -> anyhow::Result<()> {
    Ok(write_later::remote().blocking()?)
}

const FAILING_FUNCTION: Image = image!(scratch().run_function(fail));
const CALLING: Image = image!(scratch().run_function(call_while_building));
const PANICKING: Image = image!(scratch().run_function(panic_while_building));
const SLEEPING: Image = image!(scratch().run_function(sleep_while_building));

#[app::function(image = FAILING_FUNCTION)]
fn in_failing_function() {}

#[app::function(image = CALLING)]
fn in_calling_function() {}

#[app::function(image = PANICKING)]
fn in_panicking_function() {}

#[app::function(image = SLEEPING)]
fn in_sleeping_function() {}

#[app::test]
async fn a_function_that_fails_fails_the_build_with_all_that_it_says() {
    let error = in_failing_function::remote().await.unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Build, "{error}");
    let text = error.to_string();
    for said in [
        "step `run_function(fail)` of image `FAILING_FUNCTION` failed",
        "looking",
        "error: the weights cannot be had: invalid digit found in string",
    ] {
        assert!(text.contains(said), "{text}");
    }
    let error = in_calling_function::remote().await.unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Build, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`write_later` cannot be called here"),
        "{text}"
    );
    let error = in_panicking_function::remote().await.unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Build, "{error}");
    assert!(error.to_string().contains("no weights at all"), "{error}");
    let error = in_sleeping_function::remote().await.unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Build, "{error}");
    assert!(
        error.to_string().contains("did not end within 300ms"),
        "{error}"
    );
}
