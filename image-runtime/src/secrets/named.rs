//! The local store of secrets: one file a secret, which nobody but its owner can read.
//!
//! It lies where `IMAGE_STORE` names a store; without that, with the user's configuration and not in the cache, which may be deleted.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::SecretError;

/// The secrets of this user.
#[derive(Clone, Debug)]
pub struct NamedSecrets {
    folder: PathBuf,
}

/// What may be told of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// The names of its variables.
    pub variables: Vec<String>,
    /// When it was made.
    pub created: SystemTime,
}

impl NamedSecrets {
    /// The secrets of whom the environment names. Nothing is made.
    ///
    /// # Errors
    /// No place is known.
    pub fn open() -> Result<Self, SecretError> {
        let path = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let absolute = |path: &PathBuf| path.is_absolute();
        let folder = path("IMAGE_STORE")
            .map(|store| std::path::absolute(&store).unwrap_or(store).join("secrets"))
            .or_else(|| {
                Some(
                    path("XDG_CONFIG_HOME")
                        .filter(absolute)?
                        .join("image-runtime/secrets"),
                )
            })
            .or_else(|| {
                Some(
                    std::env::home_dir()
                        .filter(absolute)?
                        .join(".config/image-runtime/secrets"),
                )
            })
            .ok_or(SecretError::NoPlace)?;
        Ok(Self::at(folder))
    }

    /// The secrets in a folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The variables of a secret.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be read.
    pub fn get(&self, name: &str) -> Result<Vec<(String, String)>, SecretError> {
        let path = self.path(name)?;
        let bytes = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => self.missing(name),
            _ => failed("read", &path, source),
        })?;
        let variables: BTreeMap<String, String> = serde_json::from_slice(&bytes)
            .map_err(|_| failed("read", &path, io::Error::other("it is damaged")))?;
        Ok(variables.into_iter().collect())
    }

    /// Keeps a secret. It is there whole or not at all.
    ///
    /// # Errors
    /// The name is taken, unless `replace` says otherwise; or it cannot be written.
    pub fn put(
        &self,
        name: &str,
        variables: &BTreeMap<String, String>,
        replace: bool,
    ) -> Result<(), SecretError> {
        let path = self.path(name)?;
        let mut folder = fs::DirBuilder::new();
        let made = folder.recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|source| failed("make the folder", &self.folder, source))?;
        let json = serde_json::to_vec(variables).expect("a map of strings is JSON");
        let write = || {
            // Made for its owner alone from the begin.
            let mut file = tempfile::Builder::new()
                .prefix(".new-")
                .tempfile_in(&self.folder)?;
            file.as_file()
                .set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(&json)?;
            file.as_file().sync_all()?;
            match replace {
                true => file.persist(&path),
                false => file.persist_noclobber(&path),
            }
            .map(|_| ())
            .map_err(|error| error.error)
        };
        write().map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => SecretError::Exists(name.to_owned()),
            _ => failed("write", &path, source),
        })
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), SecretError> {
        let path = self.path(name)?;
        fs::remove_file(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => self.missing(name),
            _ => failed("remove", &path, source),
        })
    }

    /// What there is, by name.
    ///
    /// # Errors
    /// The folder or a secret cannot be read.
    pub fn list(&self) -> Result<Vec<SecretInfo>, SecretError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &self.folder, error)),
        };
        let mut all = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = name.strip_suffix(".json").filter(|name| is_name(name)) else {
                continue;
            };
            let created = entry.metadata().and_then(|metadata| metadata.modified());
            all.push(SecretInfo {
                name: name.to_owned(),
                variables: self.get(name)?.into_iter().map(|(name, _)| name).collect(),
                created: created.map_err(|error| failed("read", &entry.path(), error))?,
            });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn path(&self, name: &str) -> Result<PathBuf, SecretError> {
        match is_name(name) {
            true => Ok(self.folder.join(format!("{name}.json"))),
            false => Err(SecretError::Name(name.to_owned())),
        }
    }

    fn missing(&self, name: &str) -> SecretError {
        SecretError::NoName {
            name: name.to_owned(),
            folder: self.folder.clone(),
            variables: "NAME=value",
        }
    }
}

/// Whether a text can be the name of a secret: it is that of a file, too.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    starts && text.chars().all(fits) && text.len() <= 64
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> SecretError {
    SecretError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = NamedSecrets::at(folder.path().join("a/secrets"));
        let variables = BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]);
        assert!(secrets.list().unwrap().is_empty());
        secrets.put("one", &variables, false).unwrap();
        assert!(matches!(
            secrets.put("one", &variables, false),
            Err(SecretError::Exists(_))
        ));
        secrets.put("one", &variables, true).unwrap();
        assert_eq!(
            secrets.get("one").unwrap(),
            [("TOKEN".to_owned(), "hunter2".to_owned())]
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(secrets.folder()), 0o700);
        assert_eq!(mode(&secrets.folder().join("one.json")), 0o600);
        let listed = secrets.list().unwrap();
        assert_eq!(
            (&*listed[0].name, &*listed[0].variables),
            ("one", &["TOKEN".to_owned()][..])
        );
        secrets.remove("one").unwrap();
        assert!(matches!(
            secrets.remove("one"),
            Err(SecretError::NoName { .. })
        ));
        assert_eq!(fs::read_dir(secrets.folder()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_is_never_a_path() {
        let secrets = NamedSecrets::at("/nowhere".into());
        for bad in ["", "../x", "a/b", ".hidden", "-x", &"a".repeat(65)] {
            assert!(
                matches!(secrets.get(bad), Err(SecretError::Name(_))),
                "{bad}"
            );
        }
    }
}
