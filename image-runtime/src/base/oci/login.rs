//! How a registry is told who asks: Basic authentication, and the tokens of Docker's and OAuth2's token servers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url};

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::place::{Place, is_loopback};
use super::session::{Access, read, without_query};
use crate::base::download::DownloadError;

/// The most bytes of what a token server answers.
const LIMIT: u64 = 1024 * 1024;

/// Basic authentication.
pub(super) fn basic(credentials: &Credentials) -> HeaderValue {
    let Credentials {
        username, password, ..
    } = credentials;
    let text = format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    );
    let mut header = HeaderValue::from_str(&text).expect("base64 is good in a header");
    header.set_sensitive(true);
    header
}

/// What a token server answers.
#[derive(serde::Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Gets a token from the server that a challenge names.
pub(super) async fn token(
    http: &reqwest::Client,
    place: &Place,
    access: Access,
    challenge: &Challenge,
    credentials: Option<&Credentials>,
) -> Result<HeaderValue, DownloadError> {
    let realm = challenge.get("realm").unwrap_or_default();
    let failed = |url: &str, reason: String| DownloadError::Login {
        url: url.to_owned(),
        reason,
    };
    let mut url =
        Url::parse(realm).map_err(|_| failed(&place.url, "it names no token server".to_owned()))?;
    let shown = without_query(&url);
    let plain = place.loopback && url.host_str().is_some_and(is_loopback);
    if url.scheme() != "https" && !(url.scheme() == "http" && plain) {
        return Err(failed(&shown, "the token server has no HTTPS".to_owned()));
    }
    let identity = credentials.and_then(|credentials| credentials.identity_token.as_deref());
    // A form is written as a query is.
    let mut form = url.clone();
    form.set_query(None);
    let target = if identity.is_some() {
        &mut form
    } else {
        &mut url
    };
    add_request(target, place, access, challenge);
    let request = match (identity, credentials) {
        (Some(token), _) => {
            form.query_pairs_mut()
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "image-runtime")
                .append_pair("refresh_token", token);
            http.post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.query().unwrap_or_default().to_owned())
        }
        (None, Some(credentials)) => http.get(url).header(AUTHORIZATION, basic(credentials)),
        (None, None) => http.get(url),
    };
    let response = request
        .send()
        .await
        .map_err(|source| DownloadError::unreachable(&shown, source))?;
    match response.status() {
        status if status.is_success() => {}
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
            return Err(DownloadError::Status { url: shown, status });
        }
        status if status.is_client_error() => {
            return Err(failed(&shown, format!("the token server answers {status}")));
        }
        status => return Err(DownloadError::Status { url: shown, status }),
    }
    let body = read(response, LIMIT).await?;
    // What cannot be read is not repeated: it may hold a token.
    serde_json::from_slice(&body)
        .ok()
        .and_then(|answer: Answer| answer.token.or(answer.access_token))
        .filter(|token| !token.is_empty())
        .and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok())
        .map(|mut header| {
            header.set_sensitive(true);
            header
        })
        .ok_or_else(|| failed(&shown, "the token server gives no token".to_owned()))
}

/// Writes into an address what is asked for.
fn add_request(url: &mut Url, place: &Place, access: Access, challenge: &Challenge) {
    let pull = format!("repository:{}:pull", place.path);
    let mut query = url.query_pairs_mut();
    if let Some(service) = challenge.get("service") {
        query.append_pair("service", service);
    }
    for scope in challenge
        .get("scope")
        .unwrap_or(&pull)
        .split_ascii_whitespace()
    {
        match access {
            // Asked whether it has something, a registry wants no more than to be read. The next request will be another.
            Access::Push if scope == pull => query.append_pair("scope", &format!("{pull},push")),
            _ => query.append_pair("scope", scope),
        };
    }
}
