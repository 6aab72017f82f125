//! `#[app::function]` on functions of all kinds. The conversions that the worker uses are run here, without a container.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use image_runtime::__private::{Failure, Invoke, RegisteredFunction, block_on, inventory};
use image_runtime::protocol::{payload, value};
use image_runtime::spec::{FunctionSpec, Retries};
use image_runtime::{Image, Volume, app, image};
use serde::{Deserialize, Serialize};

const ML: Image = image!(scratch());
const SHARED: Volume = Volume::from_name("shared");

/// A value of the user's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    x: f64,
}

/// An error that is shown, and no more.
#[derive(Debug)]
pub(crate) struct Shown;

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("only shown")
    }
}

/// An error with a cause.
#[derive(Debug)]
pub(crate) struct Caused(std::num::ParseIntError);

impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl std::error::Error for Caused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

mod alias {
    pub(super) type Result = std::result::Result<u8, super::Shown>;
}

/// All keywords, and values of all kinds.
#[app::function(image = ML, timeout = "1m30s", env = { "K": "V" }, name = "renamed")]
pub(crate) fn everything(
    mut count: u32,
    text: &str,
    bytes: &[u8],
    point: &Point,
    path: &Path,
    map: BTreeMap<String, u8>,
) -> String {
    count += 1;
    format!(
        "{count} {text} {bytes:?} {} {} {map:?}",
        point.x,
        path.display()
    )
}

#[app::function]
fn nothing() {}

#[app::function]
fn nothing_or_not(fine: bool) -> Result<(), Shown> {
    if fine { Ok(()) } else { Err(Shown) }
}

#[app::function()]
fn through_anyhow(text: String) -> anyhow::Result<f64> {
    anyhow::Context::context(text.parse(), "not a number")
}

#[app::function]
fn through_an_alias(number: u8) -> alias::Result {
    if number > 0 { Ok(number) } else { Err(Shown) }
}

#[app::function]
fn with_a_cause(text: &str) -> std::result::Result<i32, Caused> {
    text.parse().map_err(Caused)
}

#[app::function]
fn fails_with_text() -> Result<u8, &'static str> {
    Err("as text")
}

#[app::function(image = crate::image::nested::Owner::IMAGE)]
async fn asynchronous(first: Vec<Option<u8>>, second: &str) -> Result<usize, Shown> {
    std::future::ready(Ok(first.len() + second.len())).await
}

#[app::function]
async fn asynchronous_plain() -> u8 {
    std::future::ready(7).await
}

/// A parameter may be called what the function is called, and names may be keywords.
#[app::function]
fn r#match(r#match: u8, value: u8, arguments: u8) -> u8 {
    r#match + value + arguments
}

/// Names that the expansion uses itself are free.
#[app::function]
fn invoke(bytes: u8, error: u8) -> Result<u8, String> {
    Ok(bytes + error)
}

#[app::function]
async fn result(result: u8) -> u8 {
    std::future::ready(result).await
}

#[app::function]
#[cfg(false)]
fn not_there(missing: Missing) -> Missing {}

/// Functions of other modules, with fewer than public types.
mod nested {
    use super::{Point, app};

    #[app::function]
    #[must_use]
    pub(super) fn shifted(point: Point, by: f64) -> Point {
        Point { x: point.x + by }
    }

    #[app::function]
    #[allow(clippy::too_many_arguments, reason = "as many as serde knows")]
    pub(super) fn many(
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: u8,
        m: u8,
        n: u8,
        o: u8,
        p: u8,
    ) -> u8 {
        a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p
    }
}

fn spec(name: &str) -> &'static FunctionSpec {
    let mut all = inventory::iter::<RegisteredFunction>
        .into_iter()
        .map(|function| function.0);
    all.find(|spec| spec.name == name)
        .unwrap_or_else(|| panic!("`{name}` is not registered"))
}

fn call_encoded(name: &str, arguments: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match spec(name).invoke {
        Invoke::Blocking(invoke) => invoke(arguments),
        Invoke::Async(invoke) => block_on(invoke(arguments)),
        Invoke::Items(_) | Invoke::Stream(_) | Invoke::Python(_) => {
            unreachable!("`{name}` gives one value")
        }
    }
}

fn call<T: serde::de::DeserializeOwned>(
    name: &str,
    arguments: &impl Serialize,
) -> Result<T, Failure> {
    let result = call_encoded(
        name,
        payload::join(arguments, None).expect("arguments of tests encode"),
    )?;
    let result = payload::split(result).expect("a result has come");
    Ok(value::decode(&result.head).expect("the result is of the type asked for"))
}

fn returned(texts: &[&str]) -> Failure {
    Failure::Returned {
        chain: texts.iter().map(|text| (*text).to_owned()).collect(),
    }
}

#[app::function(
    retries = 3,
    concurrency = 4,
    cpu = 1.5,
    memory = "1.5GiB",
    network = false,
    gpu = ["A100-80GB:2", "RTX-PRO-6000", "any"],
    volumes = { "/a": Volume::from_name("a"), "/b": Volume::from_host("./b"), "/c": crate::function::SHARED },
    min_containers = 0,
    max_containers = 8,
    idle_timeout = "0s"
)]
fn sized() {}

#[app::function(retries(max = 2, initial_delay = "250ms", backoff = 2.0))]
fn patient() {}

#[app::function]
fn lent(text: &str) -> usize {
    text.len()
}

#[app::function]
fn several(number: u32, text: &str, point: &Point, bytes: &[u8]) -> bool {
    (number, text.len(), bytes.len()) == (1, 1, 1) && point.x > 0.0
}

#[test]
fn the_function_stays_what_it_was() {
    let point = Point { x: 0.5 };
    let written = everything(1, "a", &[2], &point, Path::new("/x"), BTreeMap::new());
    assert_eq!(written, "2 a [2] 0.5 /x {}");
    assert_eq!(
        everything::local(1, "a", &[2], &point, Path::new("/x"), BTreeMap::new()),
        written
    );
    assert_eq!(block_on(asynchronous::local(vec![None], "ab")).unwrap(), 3);
    assert_eq!(r#match::local(1, 2, 3), 6);
}

#[test]
fn arguments_and_results_cross() {
    let arguments = (
        1,
        "a",
        [2_u8, 3],
        Point { x: 0.5 },
        "/x",
        BTreeMap::from([("k", 1)]),
    );
    assert_eq!(
        call::<String>("renamed", &arguments).unwrap(),
        "2 a [2, 3] 0.5 /x {\"k\": 1}"
    );
    assert_eq!(call::<()>("nothing", &()), Ok(()));
    assert_eq!(call::<()>("nothing_or_not", &(true,)), Ok(()));
    assert_eq!(call::<f64>("through_anyhow", &("1.5",)), Ok(1.5));
    assert_eq!(call::<u8>("through_an_alias", &(3,)), Ok(3));
    assert_eq!(
        call::<usize>("asynchronous", &([Some(1), None], "abc")),
        Ok(5)
    );
    assert_eq!(call::<u8>("asynchronous_plain", &()), Ok(7));
    assert_eq!(
        call::<Point>("shifted", &(Point { x: 1.0 }, 2.0)),
        Ok(Point { x: 3.0 })
    );
    assert_eq!(call::<u8>("many", &[1_u8; 16]), Ok(16));
    assert_eq!(call::<u8>("match", &(1, 2, 3)), Ok(6));
    assert_eq!(call::<u8>("invoke", &(1, 2)), Ok(3));
    assert_eq!(call::<u8>("result", &(1,)), Ok(1));
}

#[test]
fn errors_cross_with_their_causes() {
    assert_eq!(
        call::<()>("nothing_or_not", &(false,)),
        Err(returned(&["only shown"]))
    );
    assert_eq!(
        call::<u8>("through_an_alias", &(0,)),
        Err(returned(&["only shown"]))
    );
    assert_eq!(
        call::<u8>("fails_with_text", &()),
        Err(returned(&["as text"]))
    );
    let cause = "invalid digit found in string";
    assert_eq!(
        call::<i32>("with_a_cause", &("x",)),
        Err(returned(&["outer", cause]))
    );
    let whole = "not a number: invalid float literal";
    assert_eq!(
        call::<f64>("through_anyhow", &("x",)),
        Err(returned(&[whole]))
    );
}

#[test]
fn arguments_that_do_not_decode_are_an_encoding_failure() {
    let failure = call::<u8>("many", &("text",)).unwrap_err();
    assert!(matches!(failure, Failure::Encoding { .. }), "{failure:?}");
    assert!(matches!(
        call_encoded("asynchronous", vec![0xc1, 0, 0, 0, 1]),
        Err(Failure::Encoding { .. })
    ));
}

#[test]
fn json_crosses_both_ways() {
    let json = |name: &str, arguments: &str| {
        let spec = spec(name);
        let encoded = (spec.json.encode_arguments)(vec_of_json(arguments))?;
        let result = call_encoded(name, encoded).map_err(|failure| format!("{failure:?}"))?;
        (spec.json.decode_result)(result).map(|json| json.to_string())
    };
    assert_eq!(
        json("shifted", r#"[{"x": 1.5}, 2]"#).unwrap(),
        r#"{"x":3.5}"#
    );
    assert_eq!(json("nothing", "[]").unwrap(), "null");
    let wrong = json("shifted", "[1]").unwrap_err();
    assert_eq!(wrong, "2 arguments wanted (`point`, `by`), 1 given");
    let wrong = json("shifted", r#"[{"x": 1.5}, "x"]"#).unwrap_err();
    assert!(
        wrong.starts_with("argument `by`: invalid type: string"),
        "{wrong}"
    );
}

fn vec_of_json(text: &str) -> Vec<image_runtime::__private::serde_json::Value> {
    image_runtime::__private::serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_function_is_registered_with_what_was_written() {
    let spec = spec("renamed");
    let image = spec.image.unwrap();
    assert_eq!((image.path, image.module), ("ML", "ui::function"));
    assert_eq!(spec.options.timeout, Some(Duration::from_secs(90)));
    assert_eq!(spec.options.env, [("K", "V")]);
    let parameters: Vec<_> = spec.parameters.iter().map(|p| (p.name, p.ty)).collect();
    let expected = [
        ("count", "u32"),
        ("text", "&str"),
        ("bytes", "&[u8]"),
        ("point", "&Point"),
        ("path", "&Path"),
        ("map", "BTreeMap<String, u8>"),
    ];
    assert_eq!(parameters, expected);
    assert_eq!(spec.result, "String");
    assert_eq!(self::spec("nothing").result, "()");
    assert_eq!(
        self::spec("with_a_cause").result,
        "std::result::Result<i32, Caused>"
    );
    assert_eq!(
        self::spec("asynchronous").image.unwrap().path,
        "crate::image::nested::Owner::IMAGE"
    );
}

#[test]
fn how_calls_are_made_is_registered_as_it_was_written() {
    let options = spec("sized").options;
    assert_eq!(options.retries, Some(Retries::times(3)));
    assert_eq!(options.concurrency, Some(4));
    assert_eq!(options.cpu, Some(1.5));
    assert_eq!(options.memory, Some(3 << 29));
    assert_eq!(options.network, Some(false));
    let gpus = options.gpu.iter();
    let gpus: Vec<_> = gpus
        .map(|gpu| (gpu.text, gpu.kind, gpu.memory, gpu.count))
        .collect();
    let expected = [
        ("A100-80GB:2", Some("A100"), Some(80), Some(2)),
        ("RTX-PRO-6000", Some("RTX-PRO-6000"), None, None),
        ("any", None, None, None),
    ];
    assert_eq!(gpus, expected);
    let volumes = [
        ("/a", Volume::from_name("a")),
        ("/b", Volume::from_host("./b")),
        ("/c", SHARED),
    ];
    assert_eq!(options.volumes, volumes);
    assert_eq!(options.min_containers, Some(0));
    assert_eq!(options.max_containers, Some(8));
    assert_eq!(options.idle_timeout, Some(Duration::ZERO));
    let retries = spec("patient").options.retries.unwrap();
    let waits: Vec<_> = (0..3).map(|earlier| retries.delay(earlier)).collect();
    assert_eq!(waits, [250, 500, 1000].map(Duration::from_millis));
    assert_eq!(retries.delay(1_000_000), Duration::from_secs(60));
}

#[test]
fn map_takes_what_can_be_lent_and_starmap_tuples_of_it() {
    let text = String::from("a");
    drop(lent::map(["a", "b"]));
    drop(lent::map([&text]));
    drop(lent::map(vec![text.clone()]));
    drop(lent::starmap([(&text,)]));
    drop(lent::map_stream(futures_util::stream::iter([text.clone()])));
    let point = Point { x: 1.0 };
    drop(several::map([(1, "a", &point, [1_u8].as_slice())]));
    drop(several::starmap([(1, text, point, vec![1_u8])]));
    drop(nothing::map([(), ()]));
}

#[test]
fn a_function_can_stand_in_a_function() {
    #[app::function]
    fn inner(number: u8) -> u8 {
        number + 1
    }
    assert_eq!(call::<u8>("inner", &(1,)), Ok(2));
    assert_eq!(inner::local(2), 3);
}

#[test]
fn remote_takes_what_the_function_takes() {
    let point = Point { x: 1.0 };
    let text = String::from("a");
    drop(everything::remote(
        1,
        &text,
        &[],
        &point,
        Path::new("/x"),
        BTreeMap::new(),
    ));
    drop(nothing::remote());
    drop(r#match::remote(1, 2, 3));
    drop(nested::shifted::remote(point, 1.0));
    drop(nested::many::remote(
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ));
}
