use image_runtime::app;

#[app::test]
fn parameters(value: u8) {}

#[app::test]
fn generic<T>() {}

#[app::test]
extern "C" fn foreign() {}

#[app::test]
fn no_body();

#[app::test]
#[test]
fn twice() {}

#[app::test]
#[tokio::test]
async fn with_another_runtime() {}

#[app::test(timeout = "5m")]
fn arguments() {}

#[app::test]
const ITEM: u8 = 3;

fn main() {}
