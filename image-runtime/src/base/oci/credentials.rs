//! The user's credentials for registries, as `docker login` keeps them: in `config.json` or with a helper program.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::docker_config::read_json;
use super::reference::DOCKER_HUB;
use crate::secrets::Login;

/// How long a helper program may take. One that asks a question nobody sees would take forever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Under this name `docker login` keeps what is for Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The name of a user whose password is a token to log in with.
const TOKEN_USER: &str = "<token>";

/// What a registry is told of who asks. Its `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The user.
    pub(crate) username: String,
    /// The password, or what stands for it.
    pub(crate) password: String,
    /// A token that is exchanged for others, in place of a password.
    pub(crate) identity_token: Option<String>,
    /// What they are for, as Docker names it.
    pub(crate) server: String,
}

impl Credentials {
    /// Of a login at a registry.
    pub(crate) fn of(login: &Login, registry: &str) -> Self {
        Self {
            username: login.username.clone(),
            password: login.password.clone(),
            identity_token: None,
            server: key(registry).to_owned(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// What was found for a registry.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The credentials, if there are any.
    pub(crate) credentials: Option<Credentials>,
    /// Why a helper program could not be asked.
    pub(crate) problem: Option<String>,
}

/// The credentials for a registry, where the Docker configuration in a folder has them. A helper that fails is not an error
/// yet: the registry may show the image to everybody.
pub(crate) async fn credentials_for(registry: &str, config: Option<&Path>) -> Found {
    let Some(config) = config.and_then(|folder| read_json(&folder.join("config.json"))) else {
        return Found::default();
    };
    let mut found = Found::default();
    if let Some(helper) = helper(&config, registry) {
        match timeout(PATIENCE, ask(&helper, key(registry))).await {
            Ok(Ok(credentials)) => found.credentials = credentials,
            Ok(Err(problem)) => found.problem = Some(problem),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                found.problem = Some(format!("`{helper}` gave no answer in {seconds} seconds"));
            }
        }
    }
    if found.credentials.is_none() {
        found.credentials = kept(&config, registry);
    }
    found
}

fn key(registry: &str) -> &str {
    match registry {
        DOCKER_HUB => DOCKER_HUB_KEY,
        other => other,
    }
}

/// Whether a key of the configuration is for a registry: `ghcr.io`, `https://ghcr.io/v2/`.
fn is_for(name: &str, registry: &str) -> bool {
    let host = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    host == registry || registry == DOCKER_HUB && host == "index.docker.io"
}

/// The value of a registry in a map of the configuration; the exact name goes first.
fn of_registry<'a>(map: &'a Value, registry: &str) -> Option<&'a Value> {
    map.get(key(registry)).or_else(|| {
        map.as_object()?
            .iter()
            .find(|(name, _)| is_for(name, registry))
            .map(|(_, value)| value)
    })
}

/// The helper program of a registry: its own, else that of all.
fn helper(config: &Value, registry: &str) -> Option<String> {
    of_registry(&config["credHelpers"], registry)
        .and_then(Value::as_str)
        .or_else(|| config["credsStore"].as_str())
        .filter(|name| !name.is_empty())
        .map(|name| format!("docker-credential-{name}"))
}

/// What the configuration itself keeps.
fn kept(config: &Value, registry: &str) -> Option<Credentials> {
    let entry = of_registry(&config["auths"], registry)?;
    let text = |name: &str| {
        entry[name]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let identity_token = text("identitytoken");
    let (username, password) = match text("auth") {
        Some(auth) => {
            let decoded = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
            let (username, password) = decoded.split_once(':')?;
            let password = password.trim_end_matches('\0');
            (username.to_owned(), password.to_owned())
        }
        None if identity_token.is_some() => (String::new(), String::new()),
        None => return None,
    };
    Some(Credentials {
        username,
        password,
        identity_token,
        server: key(registry).to_owned(),
    })
}

/// What a helper program answers.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a helper program. The error names the program and says why, and nothing that the program wrote: that could be a secret.
async fn ask(helper: &str, server: &str) -> Result<Option<Credentials>, String> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("`{helper}` is not on the `PATH`"),
        _ => format!("`{helper}` cannot be run: {error}"),
    };
    let mut process = Command::new(helper)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = process.stdin.take() {
        // A helper that does not read its input says so by its exit code.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let output = process.wait_with_output().await.map_err(failed)?;
    if !output.status.success() {
        // The one failure that helpers agree on: nothing is kept for this registry.
        let said = String::from_utf8_lossy(&output.stdout);
        return if said.trim() == "credentials not found in native keychain" {
            Ok(None)
        } else {
            Err(format!("`{helper} get` failed: {}", output.status))
        };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("`{helper} get` wrote something else than credentials"))?;
    let is_token = answer.username == TOKEN_USER;
    let (password, identity_token) = match is_token {
        true => (String::new(), Some(answer.secret)),
        false => (answer.secret, None),
    };
    Ok(Some(Credentials {
        username: answer.username,
        password,
        identity_token,
        server: server.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn credentials_are_found_by_the_name_of_the_registry() {
        let config = serde_json::json!({ "auths": {
            "https://index.docker.io/v1/": { "auth": STANDARD.encode("me:se:cret") },
            "https://ghcr.io/v2/": { "auth": STANDARD.encode("you:x") },
            "box:5000": { "auth": STANDARD.encode("it:\0"), "identitytoken": "long" },
            "helped.io": {},
        } });
        let hub = kept(&config, "docker.io").unwrap();
        assert_eq!((&*hub.username, &*hub.password), ("me", "se:cret"));
        assert_eq!(kept(&config, "ghcr.io").unwrap().username, "you");
        let token = kept(&config, "box:5000").unwrap().identity_token;
        assert_eq!(token.as_deref(), Some("long"));
        for none in ["helped.io", "quay.io", "box", "ghcr.io.evil"] {
            assert!(kept(&config, none).is_none(), "{none}");
        }
    }

    #[test]
    fn a_registry_has_its_own_helper_or_that_of_all() {
        let config = serde_json::json!({
            "credsStore": "pass", "credHelpers": { "gcr.io": "gcloud", "quay.io": "" },
        });
        let asked = |registry| helper(&config, registry);
        assert_eq!(asked("gcr.io").as_deref(), Some("docker-credential-gcloud"));
        assert_eq!(
            asked("docker.io").as_deref(),
            Some("docker-credential-pass")
        );
        assert_eq!(asked("quay.io"), None);
    }

    #[test]
    fn credentials_are_not_shown() {
        let config =
            serde_json::json!({ "auths": { "a": { "auth": STANDARD.encode("u:hidden") } } });
        let shown = format!("{:?}", kept(&config, "a"));
        assert!(!shown.contains("hidden"), "{shown}");
    }

    /// A helper program of some shell lines, by its path.
    fn program(lines: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-credential-test");
        // Another process writes it: a file that this one has open could not be run while another thread forks.
        let mut writer = std::process::Command::new("/bin/sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        write!(writer.stdin.take().unwrap(), "#!/bin/sh\n{lines}\n").unwrap();
        assert!(writer.wait().unwrap().success());
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    #[tokio::test]
    async fn a_helper_is_asked_on_its_standard_input() {
        let (_folder, helper) = program(
            r#"[ "$1" = get ] && read -r server; echo "{\"ServerURL\":\"$server\",\"Username\":\"me\",\"Secret\":\"of $server\"}""#,
        );
        let found = ask(&helper, "ghcr.io").await.unwrap().unwrap();
        assert_eq!((&*found.username, &*found.password), ("me", "of ghcr.io"));
        let (_folder, helper) = program(
            r#"cat >/dev/null; echo '{"ServerURL":"a","Username":"<token>","Secret":"long"}'"#,
        );
        let found = ask(&helper, "a").await.unwrap().unwrap();
        assert_eq!(found.identity_token.as_deref(), Some("long"));
    }

    #[tokio::test]
    async fn a_helper_that_knows_nothing_is_told_from_one_that_fails() {
        let (_folder, helper) =
            program("cat >/dev/null; echo credentials not found in native keychain; exit 1");
        assert_eq!(ask(&helper, "a").await, Ok(None));
        let (_folder, helper) = program("cat >/dev/null; echo hidden; exit 3");
        let problem = ask(&helper, "a").await.unwrap_err();
        assert!(
            problem.ends_with("get` failed: exit status: 3"),
            "{problem}"
        );
        let (_folder, helper) = program("cat >/dev/null; echo hidden");
        let problem = ask(&helper, "a").await.unwrap_err();
        assert!(
            problem.contains("something else") && !problem.contains("hidden"),
            "{problem}"
        );
        let problem = ask("docker-credential-that-is-not-there", "a")
            .await
            .unwrap_err();
        assert!(problem.ends_with("is not on the `PATH`"), "{problem}");
    }

    #[tokio::test]
    async fn where_a_helper_fails_what_the_configuration_keeps_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "credsStore": "that-is-not-there", "auths": { "a": { "auth": STANDARD.encode("me:x") } },
        });
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let found = credentials_for("a", Some(folder.path())).await;
        assert_eq!(found.credentials.unwrap().username, "me");
        assert!(
            found
                .problem
                .unwrap()
                .contains("docker-credential-that-is-not-there")
        );
    }
}
