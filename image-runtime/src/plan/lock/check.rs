//! What a lock must be besides well-formed: people edit it, and nothing that they write may be passed over in silence.

use serde_json::Value;

use super::{Holdings, LockedImage, Lockfile, PythonPackage};
use crate::plan::normalized;

/// Checks a lock against the value that it was read from.
pub(super) fn all(lock: &Lockfile, read: &Value) -> Result<(), String> {
    let written = serde_json::to_value(lock).expect("locks have string keys");
    if let Some(place) = unknown(read, &written) {
        return Err(format!("`{place}` is nothing that a lock says"));
    }
    once(
        "base",
        &lock.bases,
        |one, two| one.of == two.of,
        |base| &base.of,
    )?;
    once(
        "address",
        &lock.addresses,
        |one, two| one.of == two.of,
        |address| &address.of,
    )?;
    // One without a program is that of every program.
    let is_same = |one: &LockedImage, two: &LockedImage| {
        one.name == two.name
            && (one.program == two.program || one.program.is_none() || two.program.is_none())
    };
    once("image", &lock.images, is_same, |image| &image.name)?;
    for image in &lock.images {
        for step in &image.steps {
            holdings(&step.holds).map_err(|fault| {
                let (name, step) = (&image.name, &step.step);
                format!("{fault}, in step `{step}` of image `{name}`")
            })?;
        }
    }
    Ok(())
}

/// Where something was read that is not in what was understood.
fn unknown(read: &Value, understood: &Value) -> Option<String> {
    match (read, understood) {
        (Value::Object(read), Value::Object(understood)) => {
            read.iter()
                .find_map(|(key, value)| match understood.get(key) {
                    Some(other) => unknown(value, other).map(|place| match place.as_str() {
                        "" => key.clone(),
                        place => format!("{key}.{place}"),
                    }),
                    // An empty list is not written, and says what its absence says.
                    None if *value == Value::Array(Vec::new()) => None,
                    None => Some(key.clone()),
                })
        }
        (Value::Array(read), Value::Array(understood)) if read.len() == understood.len() => {
            let both = read.iter().zip(understood);
            both.into_iter()
                .find_map(|(read, other)| unknown(read, other))
        }
        _ => (read != understood).then(String::new),
    }
}

fn once<T>(
    what: &str,
    all: &[T],
    is_same: impl Fn(&T, &T) -> bool,
    name: impl Fn(&T) -> &String,
) -> Result<(), String> {
    for (index, one) in all.iter().enumerate() {
        if all[..index].iter().any(|two| is_same(one, two)) {
            return Err(format!("{what} `{}` is in it twice", name(one)));
        }
    }
    Ok(())
}

fn holdings(holds: &Holdings) -> Result<(), String> {
    let is_word = |text: &str, others: &[u8]| {
        let is = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
        text.bytes().all(is) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    let is_name = |name: &str| is_word(name, b"+.-:");
    // Those of conda packages have underscores, too: `_openmp_mutex`, `typing_extensions`.
    let is_any_name = |name: &str| is_word(name.strip_prefix('_').unwrap_or(name), b"+.-:_");
    for package in &holds.apt {
        let parts = package.split_once('=');
        if !parts.is_some_and(|(name, version)| is_name(name) && is_word(version, b"+.-:~")) {
            return Err(format!(
                "`{package}` is no `NAME=VERSION` of a Debian package"
            ));
        }
    }
    for package in &holds.conda {
        if !is_conda(package) {
            return Err(format!(
                "`{package}` is no `PLACE/NAME-VERSION-BUILD.conda#sha256=HASH` of a conda package"
            ));
        }
    }
    if let Some(name) = holds.removed.iter().find(|name| !is_any_name(name)) {
        return Err(format!("`{name}` is no name of a package"));
    }
    for package in &holds.python {
        let PythonPackage { name, version, .. } = package;
        if !is_word(name, b"-") || normalized(name) != *name {
            return Err(format!(
                "`{name}` is no normalised name of a Python package"
            ));
        }
        if !is_word(version, b"+.-!_") {
            return Err(format!(
                "`{version}` is no version of Python package `{name}`"
            ));
        }
        let is_url = |url: &str| url.contains(':') && !url.contains(char::is_whitespace);
        if let Some(url) = package.url.as_deref().filter(|url| !is_url(url)) {
            return Err(format!("`{url}` is no URL of Python package `{name}`"));
        }
        let is_hash = |hash: &str| {
            let hash = hash.split_once(':');
            hash.is_some_and(|(how, digits)| is_word(how, b"") && is_word(digits, b""))
        };
        if let Some(hash) = package.hashes.iter().find(|hash| !is_hash(hash)) {
            return Err(format!("`{hash}` is no hash of Python package `{name}`"));
        }
    }
    Ok(())
}

/// Whether a text names the file of a conda package, where it lies (an address, or a directory as it is written), and its hash.
fn is_conda(package: &str) -> bool {
    let parts = || {
        let (file, hash) = package.split_once('#')?;
        let (_, name) = file.rsplit_once('/')?;
        Some((name, hash.split_once('=')?))
    };
    parts().is_some_and(|(name, (how, digits))| {
        name.split('-').count() > 2
            && [".conda", ".tar.bz2"].iter().any(|end| name.ends_with(end))
            && !package.contains(char::is_whitespace)
            && ["sha256", "md5"].contains(&how)
            && !digits.is_empty()
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}
