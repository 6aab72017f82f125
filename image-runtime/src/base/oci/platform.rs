//! Which of an image's variants this program can run in.

use super::failure::Failure;
use super::manifest::Descriptor;

/// What an image was made for, as an index of images names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    pub(super) os: String,
    #[serde(default)]
    pub(super) architecture: String,
    /// `v8`; absent where the architecture has no variants, or has its first.
    #[serde(default)]
    pub(super) variant: Option<String>,
}

impl Platform {
    /// What this program was made for.
    pub(super) fn of_this_program() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// Whether `self` can run an image made for `other`. A later variant than the one that is known to be there cannot be run.
    pub(super) fn runs(&self, other: &Self) -> bool {
        let first = match self.architecture.as_str() {
            "amd64" => Some("v1"),
            _ => self.variant.as_deref(),
        };
        let variant = other.variant.as_deref().filter(|text| !text.is_empty());
        self.os == other.os
            && self.architecture == other.architecture
            && (variant.is_none() || variant == first)
    }

    /// Whether an image that comes in no other variant can be run: an amd64 machine runs the programs of its predecessor, too.
    pub(super) fn tolerates(&self, other: &Self) -> bool {
        let both = (self.architecture.as_str(), other.architecture.as_str());
        self.runs(other) || self.os == other.os && both == ("amd64", "386")
    }

    /// The entry of an index for this platform. One that names no platform stands in where there is none.
    pub(super) fn choose<'a>(&self, index: &'a [Descriptor]) -> Result<&'a Descriptor, Failure> {
        let made_for_us = |entry: &&Descriptor| {
            let platform = entry.platform.as_ref();
            platform.is_some_and(|platform| self.runs(platform))
        };
        index
            .iter()
            .find(made_for_us)
            .or_else(|| index.iter().find(|entry| entry.platform.is_none()))
            .ok_or_else(|| {
                let mut known: Vec<String> = index
                    .iter()
                    .filter_map(|entry| entry.platform.as_ref())
                    // Attestations stand in an index as images of an unknown platform.
                    .filter(|platform| platform.os != "unknown")
                    .map(ToString::to_string)
                    .collect();
                known.sort();
                known.dedup();
                let known = match known.is_empty() {
                    true => "of no platform".to_owned(),
                    false => format!("only of {}", known.join(", ")),
                };
                Failure::missing(format!("it has no image of {self}, {known}"))
            })
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        Platform {
            os: parts.next().unwrap(),
            architecture: parts.next().unwrap(),
            variant: parts.next(),
        }
    }

    fn index(platforms: &[&str]) -> Vec<Descriptor> {
        platforms
            .iter()
            .map(|text| Descriptor {
                digest: (*text).to_owned(),
                platform: (*text != "-").then(|| platform(text)),
                ..Descriptor::default()
            })
            .collect()
    }

    #[test]
    fn the_image_of_this_platform_is_chosen() {
        let chosen = |here, list: &[&str]| {
            platform(here)
                .choose(&index(list))
                .map(|entry| entry.digest.clone())
                .map_err(|failure| failure.to_string())
        };
        let debian = [
            "linux/amd64",
            "linux/arm/v7",
            "linux/arm64/v8",
            "unknown/unknown",
        ];
        assert_eq!(chosen("linux/amd64", &debian).unwrap(), "linux/amd64");
        assert_eq!(chosen("linux/arm64/v8", &debian).unwrap(), "linux/arm64/v8");
        assert_eq!(chosen("linux/arm/v7", &debian).unwrap(), "linux/arm/v7");
        let plain = ["windows/arm64", "linux/arm64"];
        assert_eq!(chosen("linux/arm64/v8", &plain).unwrap(), "linux/arm64");
        let levels = ["linux/amd64/v3", "linux/amd64/v1"];
        assert_eq!(chosen("linux/amd64", &levels).unwrap(), "linux/amd64/v1");
        assert_eq!(chosen("linux/amd64", &["-"]).unwrap(), "-");
        assert_eq!(
            chosen("linux/s390x", &debian).unwrap_err(),
            "it has no image of linux/s390x, only of linux/amd64, linux/arm/v7, linux/arm64/v8"
        );
        assert_eq!(
            chosen("linux/amd64", &[]).unwrap_err(),
            "it has no image of linux/amd64, of no platform"
        );
    }

    #[test]
    fn this_program_has_a_platform() {
        let here = Platform::of_this_program();
        assert!(here.runs(&here) && here.os == "linux");
    }
}
