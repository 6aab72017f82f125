//! The user's Docker credentials, as `docker login` keeps them without a helper.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;

use super::address::{Surroundings, read_json};

/// The credentials for a registry, where the user's configuration holds them.
pub(super) fn credentials_for(registry: &str) -> Option<DockerCredentials> {
    let config = read_json(&Surroundings::of_process().config?.join("config.json"))?;
    find(&config, registry)
}

fn find(config: &serde_json::Value, registry: &str) -> Option<DockerCredentials> {
    let key = match registry {
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    let auths = &config["auths"];
    let entry = [
        key.to_owned(),
        format!("https://{key}"),
        format!("https://{key}/v2/"),
    ]
    .iter()
    .find_map(|key| auths.get(key))?;
    let text = |name: &str| {
        entry[name]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let decoded = STANDARD.decode(text("auth")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(DockerCredentials {
        username: Some(username.to_owned()),
        password: Some(password.trim_end_matches('\0').to_owned()),
        identitytoken: text("identitytoken"),
        serveraddress: Some(key.to_owned()),
        ..DockerCredentials::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_by_the_name_of_the_registry() {
        let config = serde_json::json!({ "auths": {
            "https://index.docker.io/v1/": { "auth": STANDARD.encode("me:se:cret") },
            "ghcr.io": { "auth": STANDARD.encode("you:x") },
            "helped.io": {},
        } });
        let hub = find(&config, "docker.io").unwrap();
        assert_eq!(
            (hub.username.as_deref(), hub.password.as_deref()),
            (Some("me"), Some("se:cret"))
        );
        assert_eq!(
            find(&config, "ghcr.io").unwrap().username.as_deref(),
            Some("you")
        );
        assert!(find(&config, "helped.io").is_none());
        assert!(find(&config, "quay.io").is_none());
    }
}
