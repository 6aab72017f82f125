//! Bases in `image.lock`: what it says of one, and which base that is.

use serde_json::{Map, Value};

use super::base::{architecture, archived, package_list};
use super::{BuildError, Builder};
use crate::base::debian;
use crate::base::python::suite_has;
use crate::plan::{BaseSource, Chain, LockedBase, ResolvedBase, Root, StandalonePython};
use crate::store::Store;

impl Builder {
    /// What a lock says of a base.
    pub(super) fn base_to_lock(
        &self,
        base: &ResolvedBase,
    ) -> Result<serde_json::Map<String, serde_json::Value>, BuildError> {
        let mut is = match &base.source {
            BaseSource::Scratch => serde_json::json!({}),
            BaseSource::Registry { reference, digest } => {
                serde_json::json!({ "registry": reference, "digest": digest })
            }
            BaseSource::Archive {
                suite,
                packages,
                python,
            } => {
                let resolved = self.package_list(suite, packages)?;
                let mut is = serde_json::to_value(resolved).expect("packages have string keys");
                if let Some(python) = python {
                    is["python"] = python.as_str().into();
                }
                is
            }
        };
        if let Some(python) = &base.python {
            is["standalone"] = serde_json::to_value(python).expect("a Python has string keys");
        }
        match is {
            serde_json::Value::Object(is) => Ok(is),
            _ => unreachable!("a base is written as a table"),
        }
    }
}

/// The base of a chain that a lock names. Its packages are remembered: they are fetched by that list. Else why it cannot be used.
pub(super) fn locked_base(
    base: &LockedBase,
    chain: &Chain,
    store: &Store,
) -> Result<(BaseSource, Option<StandalonePython>), String> {
    let mut is = base.is.clone();
    let python = is.remove("standalone").map(standalone).transpose()?;
    let source = source(is, store)?;
    fits(&source, python.as_ref(), chain)?;
    Ok((source, python))
}

fn malformed(error: &serde_json::Error) -> String {
    format!("is not written as it was: {error}")
}

fn standalone(value: Value) -> Result<StandalonePython, String> {
    let python: StandalonePython =
        serde_json::from_value(value.clone()).map_err(|error| malformed(&error))?;
    let written = serde_json::to_value(&python).expect("a Python has string keys");
    match written == value {
        true => Ok(python),
        false => Err("says something of its `standalone` Python that no lock says".into()),
    }
}

fn source(mut is: Map<String, Value>, store: &Store) -> Result<BaseSource, String> {
    let text = |is: &mut Map<String, Value>, name: &str| match is.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("has a `{name}` that is no text")),
    };
    let source = if is.is_empty() {
        BaseSource::Scratch
    } else if is.contains_key("suite") {
        let python = text(&mut is, "python")?;
        let resolved: debian::Resolved =
            serde_json::from_value(Value::Object(is.clone())).map_err(|error| malformed(&error))?;
        if resolved.architecture != architecture() {
            let (locked, here) = (&resolved.architecture, architecture());
            return Err(format!(
                "is locked for {locked}, and this machine is {here}"
            ));
        }
        let written = serde_json::to_value(&resolved).expect("packages have string keys");
        if written != Value::Object(std::mem::take(&mut is)) {
            return Err("says something of its packages that no lock says".into());
        }
        let packages = resolved.identity();
        let kept = store
            .bases()
            .write_new_record(&package_list(&packages), &resolved);
        kept.map_err(|error| format!("cannot be kept: {error}"))?;
        BaseSource::Archive {
            suite: resolved.suite,
            packages,
            python,
        }
    } else {
        let (reference, digest) = (text(&mut is, "registry")?, text(&mut is, "digest")?);
        let reference = reference
            .ok_or("has neither a `registry` with a `digest`, nor a `suite` with `packages`")?;
        let digest = digest.ok_or("has no `digest`")?;
        let hexadecimal = digest.strip_prefix("sha256:").unwrap_or_default();
        if hexadecimal.parse::<crate::digest::Digest>().is_err() {
            return Err(format!("has the `digest` {digest}, which is none"));
        }
        BaseSource::Registry { reference, digest }
    };
    match is.keys().next() {
        Some(key) => Err(format!("has a `{key}`, which no lock says of such a base")),
        None => Ok(source),
    }
}

/// Whether a chain can stand on a base: it is one that the definition may turn out to name.
fn fits(
    source: &BaseSource,
    standalone: Option<&StandalonePython>,
    chain: &Chain,
) -> Result<(), String> {
    let put_in = match chain.root {
        Root::Debian { python, .. } => python,
        Root::Registry { .. } | Root::Scratch => chain.added_python(),
    };
    let is_asked = |found: &StandalonePython, asked: &crate::spec::base::PythonVersion| {
        let series = found.version.rsplit_once('.').map(|(series, _)| series);
        found.version == asked.exact || !asked.pinned && series == Some(asked.series)
    };
    match (put_in, standalone) {
        (None, Some(_)) => return Err("has a `standalone` Python, and none is put into it".into()),
        (Some(asked), Some(found)) if !is_asked(found, &asked) => {
            let (asked, found) = (asked.exact, &found.version);
            return Err(format!("has Python {found}, and {asked} is asked for"));
        }
        (Some(_), None) if chain.added_python().is_some() => {
            return Err("has no `standalone` Python, and one is put into it".into());
        }
        _ => {}
    }
    let has_own_python = put_in.is_some() && standalone.is_none();
    let is_one = match (source, chain.root) {
        (BaseSource::Scratch, Root::Scratch) => true,
        (BaseSource::Scratch, _) => {
            return Err(
                "has neither a `registry` with a `digest`, nor a `suite` with `packages`".into(),
            );
        }
        (
            BaseSource::Registry { reference, .. },
            Root::Registry {
                reference: asked, ..
            },
        ) => reference == asked,
        (BaseSource::Registry { reference, .. }, Root::Debian { builder, python }) => {
            let suite = builder.suite;
            match python.filter(|_| has_own_python) {
                None => *reference == format!("debian:{suite}-slim"),
                Some(python) => *reference == format!("python:{}-slim-{suite}", python.exact),
            }
        }
        (BaseSource::Archive { suite, python, .. }, Root::Registry { reference, .. }) => {
            archived(reference) == Some((suite, python.is_some()))
        }
        (
            BaseSource::Archive { suite, python, .. },
            Root::Debian {
                builder,
                python: asked,
            },
        ) => {
            let own = asked.filter(|_| has_own_python);
            suite == builder.suite
                && python.as_deref() == own.map(|asked| asked.series)
                && own.is_none_or(|asked| suite_has(suite, &asked))
        }
        (_, Root::Scratch) => false,
    };
    match is_one {
        true => Ok(()),
        false => Err(format!(
            "is {} in it, which is not what the definition names",
            source.describe()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::base::PythonVersion;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn chain(root: Root) -> Chain {
        let steps = Vec::new();
        Chain { root, steps }
    }

    fn refused(chain: &Chain, is: &Value) -> String {
        let root = tempfile::tempdir().unwrap();
        let store = Store::at(root.path()).unwrap();
        let base = LockedBase {
            of: "it".into(),
            is: is.as_object().unwrap().clone(),
        };
        locked_base(&base, chain, &store).err().unwrap_or_default()
    }

    #[test]
    fn what_is_no_base_of_the_definition_is_refused_with_the_reason() {
        let alpine = chain(Root::Registry {
            reference: "alpine:3.20",
            secrets: crate::spec::Secrets::NONE,
        });
        let right = serde_json::json!({ "registry": "alpine:3.20", "digest": DIGEST });
        assert_eq!(refused(&alpine, &right), "");
        let python = serde_json::json!({
            "version": "3.12.6", "url": "https://host/a", "sha256": &DIGEST[7..], "libc": "Gnu",
        });
        for (is, reason) in [
            (serde_json::json!({}), "has neither a `registry`"),
            (
                serde_json::json!({ "registry": "alpine:3.20" }),
                "has no `digest`",
            ),
            (
                serde_json::json!({ "registry": "alpine:3.20", "digest": "sha256:e3" }),
                "which is none",
            ),
            (
                serde_json::json!({ "registry": "alpine:3.20", "digest": DIGEST, "tag": "x" }),
                "has a `tag`",
            ),
            (
                serde_json::json!({ "registry": "busybox", "digest": DIGEST }),
                "is busybox in it",
            ),
            (
                serde_json::json!({ "registry": 3, "digest": DIGEST }),
                "is no text",
            ),
            (
                serde_json::json!({ "suite": "bookworm" }),
                "is not written as it was",
            ),
            (
                serde_json::json!({ "registry": "alpine:3.20", "digest": DIGEST, "standalone": python }),
                "none is put into it",
            ),
            (
                serde_json::json!({ "registry": "alpine:3.20", "digest": DIGEST, "standalone": {} }),
                "is not written as it was",
            ),
        ] {
            let told = refused(&alpine, &is);
            assert!(told.contains(reason), "{is}: {told}");
        }
    }

    #[test]
    fn a_python_that_is_put_in_must_be_in_it() {
        let asked = PythonVersion {
            series: "3.12",
            exact: "3.12.6",
            pinned: false,
        };
        let place = crate::spec::Place {
            file: "src/main.rs",
            line: 1,
            column: 1,
            module: "app",
            manifest_dir: "/app",
        };
        let mut scratch = chain(Root::Scratch);
        let part = crate::plan::Part::Python(asked);
        scratch.steps.push(crate::plan::ChainStep { part, place });
        let with = |version: &str| {
            serde_json::json!({ "standalone": {
                "version": version, "url": "https://host/a", "sha256": &DIGEST[7..], "libc": "Gnu",
            } })
        };
        assert_eq!(refused(&scratch, &with("3.12.9")), "");
        let told = refused(&scratch, &with("3.11.9"));
        assert!(
            told.contains("has Python 3.11.9, and 3.12.6 is asked for"),
            "{told}"
        );
        let told = refused(&scratch, &serde_json::json!({}));
        assert!(told.contains("has no `standalone` Python"), "{told}");
    }
}
