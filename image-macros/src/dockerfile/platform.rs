//! The machine that builds, as a Dockerfile may name it.

use crate::diag::Fault;

/// What every build knows without being told; `FROM` may use it, a stage after `ARG NAME`.
const PLATFORM: [&str; 8] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];

/// Looks whether a platform is this machine's: `os`, `architecture`, `os/architecture` or `os/architecture/variant`.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    let lower = text.to_ascii_lowercase();
    let parts: Vec<_> = lower.split('/').collect();
    let (os, architecture, variant) = match parts[..] {
        [""] => {
            return Err(
                Fault::new("`--platform` names none: an argument in it has no value")
                    .help("leave the flag out"),
            );
        }
        ["linux"] => ("linux", None, ""),
        [os @ ("windows" | "darwin" | "freebsd")] => (os, None, ""),
        [architecture] => ("linux", Some(architecture), ""),
        [os, architecture] => (os, Some(architecture), ""),
        [os, architecture, variant] => (os, Some(architecture), variant),
        _ => {
            return Err(Fault::new(format!("`--platform={text}` is not a platform"))
                .help("such as `linux/amd64`"));
        }
    };
    let here = value("TARGETARCH").unwrap_or_default();
    let is_here = architecture.is_none_or(|architecture| match architecture {
        "x86_64" | "x86-64" => here == "amd64",
        "aarch64" => here == "arm64",
        architecture => here == architecture,
    });
    // What every processor of the architecture has.
    let is_least = matches!(
        (&*here, variant),
        (_, "") | ("amd64", "v1") | ("arm64", "v8")
    );
    match os == "linux" && is_here && is_least {
        true => Ok(()),
        false => Err(Fault::new(format!("`--platform={text}` is not this machine's, linux/{here}"))
            .help("a function is this very program, so its image has this machine's architecture: leave the flag out")),
    }
}

/// What the builder itself says of the machine.
pub(super) fn value(name: &str) -> Option<String> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    if !PLATFORM.contains(&name) {
        return None;
    }
    Some(match name {
        "TARGETPLATFORM" | "BUILDPLATFORM" => format!("linux/{architecture}"),
        "TARGETOS" | "BUILDOS" => "linux".to_owned(),
        "TARGETARCH" | "BUILDARCH" => architecture.to_owned(),
        _ => String::new(),
    })
}
