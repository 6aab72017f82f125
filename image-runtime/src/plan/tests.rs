//! Golden identities, shared prefixes, what reaches an identity and what does not.

mod forced;

use super::*;
use crate::digest::Digest;
use crate::spec::base::{
    BuilderVersion, PythonVersion, debian_slim, from_registry, micromamba, scratch,
};
use crate::spec::verb::{
    apt_install, cmd, copy_local_dir, entrypoint, env, micromamba_install, pip_install,
    run_commands, workdir,
};
use crate::spec::{Base, Image, ImageRef, ImageSpec, Place, Step};

const PYTHON: PythonVersion = PythonVersion {
    series: "3.11",
    exact: "3.11.10",
    pinned: false,
};
const BUILDER: BuilderVersion = BuilderVersion {
    name: "2024.10",
    suite: "bookworm",
    pip: "24.2",
    uv: "0.13.9",
    conda: crate::plan::DEFAULT_CONDA,
    python: PYTHON,
    series: &["3.11", "3.12"],
};

const fn place(line: u32) -> Place {
    Place {
        file: "src/main.rs",
        line,
        column: 1,
        module: "app",
        manifest_dir: "/app",
    }
}

const fn image(base: Base, steps: &'static [Step], line: u32) -> ImageSpec {
    ImageSpec {
        base,
        steps,
        place: place(line),
    }
}

const TOOLS: ImageSpec = image(
    debian_slim(BUILDER).base(),
    &[
        apt_install(&["git", "curl"]).step(),
        env(&[("A", "1"), ("B", "2")]).step(),
    ],
    1,
);
const ML: ImageSpec = image(
    Base::Image(ImageRef {
        image: Image::from_spec(&TOOLS),
        path: "TOOLS",
        module: "app",
    }),
    &[
        workdir("/app").step(),
        env(&[("A", "3")]).step(),
        copy_local_dir("models", "/models")
            .ignore(&["*.pyc"])
            .step(),
        run_commands(&["make", "make install"]).step(),
    ],
    2,
);
const PIP: ImageSpec = image(
    debian_slim(BUILDER).base(),
    &[pip_install(&["numpy==2.2.6"]).step()],
    3,
);
const NOTHING: ImageSpec = image(scratch().base(), &[], 4);
const ALPINE: ImageSpec = image(from_registry("alpine:3.20").base(), &[], 5);

fn registry_base() -> ResolvedBase {
    ResolvedBase {
        source: BaseSource::Registry {
            reference: "debian:bookworm-slim".into(),
            digest: format!("sha256:{}", Digest::of(b"manifest")),
        },
        config: ImageConfig {
            env: vec![("PATH".into(), "/usr/bin".into())],
            ..ImageConfig::default()
        },
        python: None,
    }
}

fn archive_base(python: Option<&str>) -> ResolvedBase {
    ResolvedBase {
        source: BaseSource::Archive {
            suite: "bookworm".into(),
            packages: Digest::of(b"packages"),
            python: python.map(ToOwned::to_owned),
        },
        config: ImageConfig::default(),
        python: None,
    }
}

fn plan(spec: &'static ImageSpec, base: &ResolvedBase) -> Plan {
    lowered(spec, base, b"tree")
}

fn lowered(spec: &'static ImageSpec, base: &ResolvedBase, files: &[u8]) -> Plan {
    let chain = Chain::of(Image::from_spec(spec));
    let instructions = expand(&chain, base).unwrap();
    lower(&chain, base, &instructions, |_| Digest::of(files))
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.layers
        .iter()
        .map(|layer| format!("{} {}", layer.id.short(), layer.title))
        .collect()
}

#[test]
fn identities_are_what_they_have_always_been() {
    let scratch = ResolvedBase {
        source: BaseSource::Scratch,
        config: ImageConfig::default(),
        python: None,
    };
    let all = [
        ids(&plan(&NOTHING, &scratch)),
        ids(&plan(&ALPINE, &registry_base())),
        ids(&plan(&ML, &registry_base())),
        ids(&plan(&PIP, &archive_base(Some("3.11")))),
    ];
    insta::assert_snapshot!(all.map(|plan| plan.join("\n")).join("\n\n"));
}

#[test]
fn an_extension_shares_the_layers_of_what_it_extends() {
    let (tools, ml) = (plan(&TOOLS, &registry_base()), plan(&ML, &registry_base()));
    assert_eq!(ids(&tools), ids(&ml)[..tools.layers.len()]);
}

#[test]
fn configuration_makes_no_layer_but_reaches_the_layers_above_it() {
    let ml = plan(&ML, &registry_base());
    let titles: Vec<_> = ml.layers.iter().map(|layer| layer.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "debian:bookworm-slim",
            "apt_install(git, curl)",
            "copy_local_dir(models → /models)",
            "run_commands(make, make install)"
        ]
    );
    let top = &ml.layers[3];
    assert_eq!(top.config.workdir, "/app");
    let pairs: Vec<_> = top
        .config
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(pairs, [("PATH", "/usr/bin"), ("A", "3"), ("B", "2")]);
    assert_eq!(ml.config, top.config);
}

#[test]
fn every_field_of_a_step_reaches_its_identity() {
    const VARIANTS: [ImageSpec; 6] = [
        image(scratch().base(), &[apt_install(&["ab", "c"]).step()], 1),
        image(scratch().base(), &[apt_install(&["a", "bc"]).step()], 1),
        image(scratch().base(), &[apt_install(&["abc"]).step()], 1),
        image(scratch().base(), &[run_commands(&["abc"]).step()], 1),
        image(
            scratch().base(),
            &[env(&[("a", "bc")]).step(), run_commands(&["abc"]).step()],
            1,
        ),
        image(
            scratch().base(),
            &[env(&[("ab", "c")]).step(), run_commands(&["abc"]).step()],
            1,
        ),
    ];
    static IMAGES: [ImageSpec; 6] = VARIANTS;
    let tops: std::collections::BTreeSet<_> = IMAGES
        .iter()
        .map(|spec| plan(spec, &registry_base()).top())
        .collect();
    assert_eq!(tops.len(), IMAGES.len());
}

#[test]
fn options_and_names_of_secrets_reach_an_identity() {
    use crate::spec::Secret;
    const PIP: crate::spec::verb::PipInstall = pip_install(&["a"]);
    static IMAGES: [ImageSpec; 7] = [
        image(scratch().base(), &[PIP.step()], 1),
        image(scratch().base(), &[PIP.pre(true).step()], 1),
        image(scratch().base(), &[PIP.index_url("https://a").step()], 1),
        image(scratch().base(), &[PIP.find_links("https://a").step()], 1),
        image(scratch().base(), &[PIP.extra_options(&["-U"]).step()], 1),
        image(
            scratch().base(),
            &[PIP.secrets(&[Secret::from_env("A")]).step()],
            1,
        ),
        image(
            scratch().base(),
            &[PIP.secrets(&[Secret::from_name("A")]).step()],
            1,
        ),
    ];
    let tops = IMAGES.iter().map(|spec| plan(spec, &registry_base()).top());
    let tops: std::collections::BTreeSet<_> = tops.collect();
    assert_eq!(tops.len(), IMAGES.len());
}

#[test]
fn the_local_path_and_the_place_do_not_reach_an_identity_and_the_content_does() {
    static HERE: ImageSpec = image(scratch().base(), &[copy_local_dir("a", "/x").step()], 1);
    static THERE: ImageSpec = image(scratch().base(), &[copy_local_dir("b", "/x").step()], 77);
    let base = registry_base();
    assert_eq!(plan(&HERE, &base).top(), plan(&THERE, &base).top());
    let changed = lowered(&HERE, &base, b"another tree");
    assert_ne!(changed.top(), plan(&HERE, &base).top());
}

#[test]
fn conda_stands_on_plain_debian_and_is_found_first() {
    static PREFIX: ImageSpec = image(micromamba(BUILDER).base(), &[], 1);
    static NUMPY: ImageSpec = image(
        Base::Image(ImageRef {
            image: Image::from_spec(&PREFIX),
            path: "PREFIX",
            module: "app",
        }),
        &[
            micromamba_install(&["numpy=1.26"]).step(),
            pip_install(&["six==1.17.0"]).step(),
        ],
        2,
    );
    static ELSEWHERE: ImageSpec = image(
        micromamba(BUILDER).base(),
        &[micromamba_install(&["numpy=1.26"])
            .channels(&["own"])
            .step()],
        3,
    );
    let Root::Debian { python, .. } = Chain::of(Image::from_spec(&NUMPY)).root else {
        panic!("a Debian root is wanted");
    };
    assert_eq!(python, None);
    let (numpy, elsewhere) = (
        plan(&NUMPY, &registry_base()),
        plan(&ELSEWHERE, &registry_base()),
    );
    let titles: Vec<_> = numpy.layers.iter().map(|layer| &*layer.title).collect();
    assert_eq!(
        titles[1..],
        [
            "conda, with Python 3.11",
            "micromamba_install(numpy=1.26)",
            "pip_install(six==1.17.0)"
        ]
    );
    let path = numpy.config.env.iter().find(|(name, _)| name == "PATH");
    assert_eq!(path.unwrap().1, "/opt/conda/bin:/usr/bin");
    assert_eq!(numpy.layers[1].id, elsewhere.layers[1].id);
    assert_ne!(numpy.layers[2].id, elsewhere.layers[2].id);
}

#[test]
fn a_step_that_needs_python_brings_the_default_one() {
    let Root::Debian { python, .. } = Chain::of(Image::from_spec(&PIP)).root else {
        panic!("a Debian root is wanted");
    };
    assert_eq!(python, Some(PYTHON));
    let Root::Debian { python, .. } = Chain::of(Image::from_spec(&TOOLS)).root else {
        panic!("a Debian root is wanted");
    };
    assert_eq!(python, None);
}

#[test]
fn an_entrypoint_drops_the_command_of_the_base_and_not_the_images_own() {
    static OWN: ImageSpec = image(
        scratch().base(),
        &[cmd(&["own"]).step(), entrypoint(&["/run"]).step()],
        1,
    );
    static BASES: ImageSpec = image(scratch().base(), &[entrypoint(&[]).step()], 1);
    let mut base = registry_base();
    base.config.entrypoint = vec!["/base".into()];
    base.config.cmd = vec!["base".into()];
    let own = plan(&OWN, &base).config;
    assert_eq!(
        (own.entrypoint, own.cmd),
        (vec!["/run".into()], vec!["own".to_owned()])
    );
    let bases = plan(&BASES, &base).config;
    assert_eq!(
        (bases.entrypoint, bases.cmd),
        (vec![], Vec::<String>::new())
    );
    assert_eq!(plan(&NOTHING, &base).config.cmd, ["base"]);
}

#[test]
fn a_standalone_python_stands_where_it_was_asked_for_and_is_found_first() {
    static ADDED: ImageSpec = image(
        from_registry("alpine:3.20").add_python(PYTHON).base(),
        &[run_commands(&["a"]).step()],
        1,
    );
    static SLIM: ImageSpec = image(debian_slim(BUILDER).python_version(PYTHON).base(), &[], 1);
    let of = |archive: &[u8]| StandalonePython {
        version: "3.11.10".into(),
        url: "https://host/archive".into(),
        sha256: Digest::of(archive),
        libc: Libc::Musl,
    };
    let with = |python| ResolvedBase {
        python: Some(python),
        ..registry_base()
    };
    let titles = |plan: &Plan| {
        let titles = plan.layers.iter().map(|layer| layer.title.clone());
        titles.collect::<Vec<_>>()
    };
    let added = plan(&ADDED, &with(of(b"one")));
    assert_eq!(
        titles(&added)[1..],
        ["standalone Python 3.11.10", "run_commands(a)"]
    );
    let path = |plan: &Plan| plan.config.env[0].1.clone();
    assert_eq!(path(&added), "/usr/local/bin:/usr/bin");
    assert_eq!(
        titles(&plan(&SLIM, &with(of(b"one"))))[1],
        "standalone Python 3.11.10"
    );
    let other = plan(&ADDED, &with(of(b"other")));
    assert_ne!(other.layers[1].id, added.layers[1].id);
    let moved = StandalonePython {
        url: "/mirror/archive".into(),
        ..of(b"one")
    };
    assert_eq!(plan(&ADDED, &with(moved)).top(), added.top());
}

#[test]
fn a_function_runs_again_when_its_text_or_its_variables_change_and_not_for_its_timeout() {
    use std::time::Duration;

    use crate::spec::verb::run_function;
    use crate::spec::{BuildFunction, FunctionOptions, FunctionSpec, Invoke, JsonBridge, Secret};

    const fn function(options: FunctionOptions) -> FunctionSpec {
        FunctionSpec {
            name: "download",
            class: None,
            place: place(1),
            image: None,
            options,
            parameters: &[],
            result: "()",
            invoke: Invoke::Blocking(|_| Ok(Vec::new())),
            json: JsonBridge {
                encode_arguments: |_| Ok(Vec::new()),
                decode_result: |_| Ok(serde_json::Value::Null),
            },
        }
    }
    const OPTIONS: FunctionOptions = FunctionOptions::new();
    static PLAIN: FunctionSpec = function(OPTIONS);
    static SLOW: FunctionSpec = function(OPTIONS.timeout(Duration::from_secs(9)));
    static ENV: FunctionSpec = function(OPTIONS.env(&[("A", "1")]));
    static SECRET: FunctionSpec = function(OPTIONS.secrets(&[Secret::from_env("A")]));
    const fn run(spec: fn() -> &'static FunctionSpec, source: &'static str) -> Step {
        let function = BuildFunction {
            spec,
            parameters: 0,
            makes_stream: false,
            source,
        };
        run_function(function).step()
    }
    static IMAGES: [ImageSpec; 5] = [
        image(scratch().base(), &[run(|| &PLAIN, "fn f ( ) { }")], 1),
        image(scratch().base(), &[run(|| &SLOW, "fn f ( ) { }")], 1),
        image(scratch().base(), &[run(|| &PLAIN, "fn f ( ) { 1 }")], 1),
        image(scratch().base(), &[run(|| &ENV, "fn f ( ) { }")], 1),
        image(scratch().base(), &[run(|| &SECRET, "fn f ( ) { }")], 1),
    ];
    let tops = IMAGES
        .each_ref()
        .map(|image| plan(image, &registry_base()).top());
    assert_eq!(tops[0], tops[1]);
    let different: std::collections::BTreeSet<_> = tops.into_iter().collect();
    assert_eq!(different.len(), 4);
    let layers = plan(&IMAGES[4], &registry_base()).layers;
    assert_eq!(layers[1].secrets.all, [Secret::from_env("A")]);
}
