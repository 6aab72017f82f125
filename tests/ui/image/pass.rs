//! `image!` wherever an expression can stand.

use image_runtime::spec::{Base, Image, ImageSpec, Secret, Step};
use image_runtime::{__private::RegisteredImage, __private::inventory, app, image};

const LINE_OF_ML: u32 = line!() + 1;
const ML: Image = image!(
    debian_slim(python_version = "3.12", builder_version = "2025.06")
        .apt_install("git", "curl=7.88.1-10+deb12u12", force_build = true)
        .uv_pip_install("numpy==2.2.6", "pandas==2.0.2")
        .run_commands("make", "make install",)
        .copy_local_file("Cargo.toml", "/root/Cargo.toml")
        .copy_local_dir("ui", "/root/ui", ignore = ["*.stderr", "!keep"])
        .env({ "A": "1", "B": "" })
        .workdir("/app")
        .entrypoint([])
        .cmd(["serve", "--port=80"])
        .shell(["/bin/bash", "-c"])
        .add_local_file("Cargo.toml", "/etc/added/"),
    strict = false,
);
const ADDED: Image = image!(
    NOTHING
        .add_local_dir("ui", "/ui", ignore = ["*.stderr"], copy = false)
        .add_local_file("Cargo.toml", "/Cargo.toml", copy = false),
    strict = true
);
const OPTIONS: Image = image!(
    debian_slim()
        .pip_install(
            "numpy==2.2.6",
            index_url = "https://pypi.example/simple",
            extra_index_url = "https://${USER}:${TOKEN}@pypi.example/simple",
            find_links = "/wheels",
            pre = true,
            extra_options = "--no-deps --no-binary 'a b'",
            secrets = [
                Secret::from_env("TOKEN"),
                image_runtime::Secret::from_name("credentials")
            ],
        )
        .pip_install_from_requirements("functions/data/requirements.txt")
        .pip_install_from_pyproject(
            "functions/data/project/pyproject.toml",
            optional_dependencies = ["ALL"]
        )
        .uv_sync("functions/data/project", groups = ["test"])
        .uv_sync("functions/data/project", frozen = false)
        .run_commands("make", secrets = [Secret::from_dotenv("no/such/.env")])
);
const CONDA: Image = image!(
    micromamba(python_version = "3.12", builder_version = "2025.06")
        .micromamba_install(
            "pytorch",
            "pytorch-cuda=12.1",
            channels = ["pytorch", "nvidia"],
            force_build = true
        )
        .micromamba_install(spec_file = "functions/data/conda/environment.yml")
        .pip_install("six==1.17.0")
);
const MORE_CONDA: Image = image!(CONDA.micromamba_install("numpy >=1.26,<2"));
const PRIVATE: Image = image!(from_registry(
    "box.example/team/ml:1",
    secret = Secret::from_name("registry-credentials"),
    add_python = "3.11"
));
const MORE: Image = image!(self::ML.pip_install("torch==2.1.0"));
const SAME: Image = image!(MORE);
const NOTHING: Image = image!(scratch());
const DOCKERFILE: Image = image!(
    from_dockerfile(
        "./functions/dockerfiles/stages.Dockerfile",
        build_args = { "OUT": "/elsewhere" },
        context_dir = ".",
        target = "build"
    )
    .dockerfile_commands("LABEL a=b", "COPY ui /ui", context_dir = ".", force_build = true)
);
static ALPINE: Image = image!(from_registry("alpine:3.20"));
static PAIR: [Image; 2] = [
    image!(scratch().workdir("/a")),
    image!(ALPINE.workdir("/b")),
];

/// Images of another module, and of a type.
pub(crate) mod nested {
    use super::{Image, image};

    /// An image to build on.
    pub(crate) const BASE: Image = image!(debian_slim(python_version = "3.11.7"));

    /// A type with an image.
    pub(crate) struct Owner;

    impl Owner {
        /// The image of a type.
        pub(crate) const IMAGE: Image = image!(BASE.workdir("/owner"));
    }
}

#[allow(
    deprecated,
    reason = "the warning of a deprecated builder version can be silenced"
)]
const OLD: Image = image!(debian_slim(builder_version = "2023.12"));

macro_rules! with_package {
    ($package:literal) => {
        image!(debian_slim().apt_install($package))
    };
}

fn verbs(image: Image) -> Vec<&'static str> {
    image.spec().steps.iter().map(Step::verb).collect()
}

fn builder(image: Image) -> (&'static str, Option<(&'static str, &'static str, bool)>) {
    match image.spec().base {
        Base::DebianSlim(base) => (
            base.builder.suite,
            base.python
                .map(|python| (python.series, python.exact, python.pinned)),
        ),
        _ => panic!("{image:?} is not debian_slim"),
    }
}

#[test]
fn a_chain_becomes_its_steps_in_order() {
    let all = [
        "apt_install",
        "pip_install",
        "run_commands",
        "copy_local_file",
        "copy_local_dir",
        "env",
        "workdir",
        "entrypoint",
        "cmd",
        "shell",
        "add_local_file",
    ];
    assert_eq!(verbs(ML), all);
    let steps = ML.spec().steps;
    assert!(steps[0].force_build() && !steps[1].force_build());
    let Step::AptInstall(apt) = steps[0] else {
        panic!()
    };
    assert_eq!(apt.packages, ["git", "curl=7.88.1-10+deb12u12"]);
    let Step::CopyLocalDir(copy) = steps[4] else {
        panic!()
    };
    assert_eq!(
        (copy.source, copy.target, copy.ignore),
        ("ui", "/root/ui", &["*.stderr", "!keep"][..])
    );
    let [Step::AddLocalDir(dir), Step::AddLocalFile(file)] = ADDED.spec().steps else {
        panic!()
    };
    assert!(!dir.copy && !file.copy && dir.ignore == ["*.stderr"]);
    assert!(matches!(steps[10], Step::AddLocalFile(file) if file.copy));
    let Step::Cmd(cmd) = steps[8] else { panic!() };
    assert_eq!(cmd.arguments, ["serve", "--port=80"]);
    let Step::Env(env) = steps[5] else { panic!() };
    assert_eq!(env.variables, [("A", "1"), ("B", "")]);
}

#[test]
fn options_and_files_of_python_steps_are_read_while_compiling() {
    let steps = OPTIONS.spec().steps;
    let Step::PipInstall(pip) = steps[0] else {
        panic!()
    };
    assert_eq!(pip.extra_options, ["--no-deps", "--no-binary", "a b"]);
    assert_eq!(
        pip.secrets,
        [Secret::from_env("TOKEN"), Secret::from_name("credentials")]
    );
    let Step::PipInstallFromRequirements(file) = steps[1] else {
        panic!()
    };
    let lines: Vec<_> = file.requirements.text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "toolz==1.0.0"));
    assert_eq!(file.requirements.constraints, "idna==3.7\n");
    let Step::PipInstallFromPyproject(project) = steps[2] else {
        panic!()
    };
    assert_eq!(project.requirements.text, "idna==3.7\ntoolz==1.0.0\n");
    let Step::UvSync(sync) = steps[3] else {
        panic!()
    };
    assert!(sync.frozen && sync.project.lock.contains("toolz"));
    assert!(matches!(steps[4], Step::UvSync(sync) if !sync.frozen));
}

#[test]
fn builder_versions_resolve_pythons() {
    assert_eq!(builder(ML), ("bookworm", Some(("3.12", "3.12.10", false))));
    assert_eq!(
        builder(nested::BASE),
        ("bookworm", Some(("3.11", "3.11.7", true)))
    );
    assert_eq!(builder(OLD), ("bullseye", None));
}

#[test]
fn an_image_extends_another_and_knows_how_it_was_named() {
    for (image, path, steps) in [
        (MORE, "self::ML", 1),
        (SAME, "MORE", 0),
        (nested::Owner::IMAGE, "BASE", 1),
    ] {
        let Base::Image(base) = image.spec().base else {
            panic!("{image:?}")
        };
        assert_eq!((base.path, image.spec().steps.len()), (path, steps));
    }
    let Base::Image(base) = nested::Owner::IMAGE.spec().base else {
        panic!()
    };
    assert_eq!(base.module, "ui::image::nested");
    assert!(std::ptr::eq(base.image.spec(), nested::BASE.spec()));
}

#[test]
fn conda_files_are_read_while_compiling() {
    let Base::Micromamba(base) = CONDA.spec().base else {
        panic!()
    };
    assert_eq!(base.python.series, "3.12");
    let [
        Step::MicromambaInstall(written),
        Step::MicromambaInstall(read),
        _,
    ] = CONDA.spec().steps
    else {
        panic!()
    };
    assert_eq!(written.channels, ["pytorch", "nvidia"]);
    assert_eq!(read.specs, ["greet=1", "words <2"]);
    assert_eq!(read.channels, ["conda-forge"]);
    assert!(MORE_CONDA.spec().has_conda() && !ML.spec().has_conda());
}

#[test]
fn images_stand_in_functions_statics_arrays_and_macros() {
    let local = image!(NOTHING.env({ "X": "1" }));
    assert_eq!(verbs(local), ["env"]);
    assert_eq!(verbs(with_package!("git")), ["apt_install"]);
    assert!(
        matches!(ALPINE.spec().base, Base::FromRegistry(base) if base.reference == "alpine:3.20")
    );
    let credentials = Secret::from_name("registry-credentials");
    assert!(
        matches!(PRIVATE.spec().base, Base::FromRegistry(base) if base.secret == Some(credentials))
    );
    assert_eq!(PAIR.map(|image| image.spec().steps.len()), [1, 1]);
    assert!(matches!(PAIR[1].spec().base, Base::Image(_)));
}

#[test]
fn a_dockerfile_becomes_its_stages_and_the_one_that_is_built() {
    let Base::FromDockerfile(base) = DOCKERFILE.spec().base else {
        panic!()
    };
    assert_eq!(
        (base.dockerfile.stages.len(), base.dockerfile.target),
        (3, 0)
    );
    assert_eq!(verbs(DOCKERFILE), ["dockerfile_commands"]);
}

#[test]
fn every_image_is_registered_once_with_its_place() {
    let registered = |spec: &'static ImageSpec| {
        inventory::iter::<RegisteredImage>
            .into_iter()
            .filter(|image| std::ptr::eq(image.0.spec(), spec))
            .count()
    };
    for image in [
        ML,
        MORE,
        SAME,
        NOTHING,
        ALPINE,
        PAIR[0],
        PAIR[1],
        nested::BASE,
        OLD,
        ADDED,
        OPTIONS,
    ] {
        assert_eq!(registered(image.spec()), 1, "{image:?}");
    }
    let place = ML.spec().place;
    assert!(place.file.ends_with("ui/image/pass.rs"), "{place}");
    assert_eq!((place.line, place.module), (LINE_OF_ML, "ui::image"));
    assert_eq!(place.manifest_dir, env!("CARGO_MANIFEST_DIR"));
}

trait Has {
    const IMAGE: Image;
}

struct Generic<T>(std::marker::PhantomData<T>);

impl<T> Has for Generic<T> {
    const IMAGE: Image = image!(scratch());
}

const OF_TRAIT: Image = image!(<Generic<u8> as Has>::IMAGE.workdir("/app"));
const OF_TYPE: Image = image!(Generic::<u8>::IMAGE);

#[app::function(image = <Generic<u8> as Has>::IMAGE)]
fn in_image_of_trait() {}

#[test]
fn an_image_is_named_by_any_path_to_a_constant() {
    let (Base::Image(of_trait), Base::Image(of_type)) = (OF_TRAIT.spec().base, OF_TYPE.spec().base)
    else {
        panic!()
    };
    assert_eq!(of_trait.path, "<Generic<u8> as Has>::IMAGE");
    assert_eq!(of_type.path, "Generic::<u8>::IMAGE");
    assert_eq!(verbs(OF_TRAIT), ["workdir"]);
    drop(in_image_of_trait::remote());
}
