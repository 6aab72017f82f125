//! How the network of this machine is reached: its proxies and the certificates it trusts. Build commands get them for
//! as long as they run; none of it is written into a layer.

use std::path::{Path, PathBuf};

use crate::engine::{Access, Mount};

/// Variables that name proxies. Programs read them in either case.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Variables by which programs are told of a file of certificates: OpenSSL and rustls, curl, Python's requests, pip, git, Node.
const CERTIFICATES: [&str; 6] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
];

/// Where distributions keep the certificates they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where the certificates lie inside a build container.
pub(super) const CERTIFICATES_INSIDE: &str = "/dev/image-runtime/certificates.pem";

/// What a build command is given for the network.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    /// Environment.
    pub(super) env: Vec<(String, String)>,
    /// Files.
    pub(super) mounts: Vec<Mount>,
}

impl Network {
    /// What this machine uses.
    pub(super) fn of_this_machine() -> Self {
        let mut env: Vec<_> = proxies()
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect();
        let mut mounts = Vec::new();
        if let Some(bundle) = certificates() {
            env.extend(CERTIFICATES.map(|name| (name.to_owned(), CERTIFICATES_INSIDE.to_owned())));
            mounts.push(Mount::Local {
                source: bundle,
                target: CERTIFICATES_INSIDE.into(),
                access: Access::Read,
            });
        }
        Self { env, mounts }
    }
}

/// The variables that name proxies here.
pub(crate) fn proxies() -> Vec<&'static str> {
    PROXIES
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some())
        .collect()
}

/// The file of certificates that this machine trusts.
pub(crate) fn certificates() -> Option<PathBuf> {
    std::env::var_os("SSL_CERT_FILE")
        .map(PathBuf::from)
        .into_iter()
        .chain(SYSTEM_BUNDLES.map(PathBuf::from))
        .find_map(|path| Path::canonicalize(&path).ok().filter(|path| path.is_file()))
}
