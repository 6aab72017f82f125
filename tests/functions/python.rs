//! Python packages: by requirements, by files, by a project's lock; from an index, and from a directory of the image.

use image_runtime::{Image, app, image};

const BASE: Image = image!(debian_slim(python_version = "3.11"));
/// The very one that the suite has, too.
const EXACT: Image = image!(debian_slim(python_version = "3.11.2"));
const FILES: Image = image!(BASE.pip_install_from_requirements("functions/data/requirements.txt"));
const PROJECT: Image = image!(BASE.pip_install_from_pyproject(
    "functions/data/project/pyproject.toml",
    optional_dependencies = ["all"],
    dependency_groups = ["dev"]
));
const LOCKED: Image = image!(BASE.uv_sync("functions/data/project", extras = ["gpu"]));
/// There is no lock.
const RESOLVED: Image =
    image!(BASE.uv_sync("functions/data/unlocked", groups = ["dev"], frozen = false));
/// Its pip is the one of the builder version.
const EARLIER: Image = image!(debian_slim(
    python_version = "3.11",
    builder_version = "2024.04"
));
/// A package index and a directory of wheels, made in the image.
const WHEELS: Image = image!(
    BASE.copy_local_file("functions/data/wheels.py", "/wheels/make.py")
        .run_commands("cd /wheels && python make.py")
);
#[allow(deprecated, reason = "which version is taken is what is tested")]
const OPTIONS: Image = image!(
    WHEELS
        .env({ "INDEX": "index" })
        .pip_install("sample", index_url = "file:///wheels/${INDEX}", pre = true)
        .pip_install(
            "loose",
            find_links = "/wheels/loose",
            extra_options = "--no-index --no-deps"
        )
        .pip_install(
            "more",
            index_url = "file:///wheels/${INDEX}",
            extra_index_url = "file:///wheels/extra"
        )
);

fn python(line: &str) -> String {
    let output = std::process::Command::new("python")
        .args(["-c", line])
        .output()
        .expect("the image has Python");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
        .trim()
        .to_owned()
}

#[app::function(image = EXACT)]
fn in_exact(line: &str) -> String {
    python(line)
}

#[app::function(image = EARLIER)]
fn in_earlier(line: &str) -> String {
    python(line)
}

#[app::function(image = FILES)]
fn in_files(line: &str) -> String {
    python(line)
}

#[app::function(image = PROJECT)]
fn in_project(line: &str) -> String {
    python(line)
}

#[app::function(image = LOCKED)]
fn in_locked(line: &str) -> String {
    python(line)
}

#[app::function(image = RESOLVED)]
fn in_resolved(line: &str) -> String {
    python(line)
}

#[app::function(image = OPTIONS)]
fn in_options(line: &str) -> String {
    python(line)
}

/// Prints the packages that are installed, with their versions.
const LIST: &str = "from importlib.metadata import distributions as d
names = ('six', 'idna', 'toolz', 'tomli', 'sample', 'loose', 'missing', 'more')
print(*sorted(f'{p.name}=={p.version}' for p in d() if p.name in names))";

#[app::test]
async fn an_exact_version_is_the_one_that_runs() {
    let version = "import platform; print(platform.python_version())";
    assert_eq!(in_exact::remote(version).await.unwrap(), "3.11.2");
}

#[app::test]
async fn a_builder_version_pins_the_pip_of_the_image() {
    let version = "import pip; print(pip.__version__)";
    assert_eq!(in_earlier::remote(version).await.unwrap(), "24.0");
}

#[app::test]
async fn a_requirements_file_is_installed_with_all_that_it_includes() {
    let installed = in_files::remote(LIST).await.unwrap();
    assert_eq!(installed, "idna==3.7 six==1.17.0 toolz==1.0.0");
}

#[app::test]
async fn a_project_gives_its_dependencies_and_the_extras_and_groups_that_are_named() {
    let installed = in_project::remote(LIST).await.unwrap();
    let all = "idna==3.7 six==1.17.0 tomli==2.0.1 toolz==1.0.0";
    assert_eq!(installed, all);
}

#[app::test]
async fn a_lock_is_installed_into_the_images_own_python_without_what_is_not_named() {
    let installed = in_locked::remote(LIST).await.unwrap();
    assert_eq!(installed, "idna==3.7 toolz==1.0.0");
    let installed = in_resolved::remote(LIST).await.unwrap();
    assert_eq!(installed, "idna==3.7 six==1.17.0 tomli==2.0.1");
}

#[app::test]
async fn options_reach_the_installer() {
    let installed = in_options::remote(LIST).await.unwrap();
    // A version before a release, a package without what it needs, and one of another index.
    assert_eq!(installed, "loose==1.0 more==1.0 sample==2.0rc1");
}
