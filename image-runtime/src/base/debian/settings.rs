//! The few settings that a base has beyond what its packages bring.

use super::mirror::Mirrors;
use super::path::DPKG_EXCLUDES;

/// A file to write.
pub(super) struct Setting {
    pub(super) path: &'static str,
    pub(super) mode: u32,
    pub(super) text: String,
}

/// The settings of a suite.
pub(super) fn files(suite: &str, mirrors: &Mirrors) -> Vec<Setting> {
    let file = |path, text: String| Setting {
        path,
        mode: 0o644,
        text,
    };
    vec![
        file("etc/hostname", "localhost\n".to_owned()),
        file("etc/machine-id", String::new()),
        file(
            "etc/apt/sources.list.d/debian.sources",
            sources(suite, mirrors),
        ),
        file("etc/apt/apt.conf.d/image-runtime", APT.to_owned()),
        file(
            "etc/dpkg/dpkg.cfg.d/image-runtime",
            format!("{DPKG}{DPKG_EXCLUDES}"),
        ),
        Setting {
            path: "usr/sbin/policy-rc.d",
            mode: 0o755,
            text: POLICY.to_owned(),
        },
    ]
}

fn sources(suite: &str, Mirrors { main, security }: &Mirrors) -> String {
    let source = |uri: &str, suites: String| {
        format!(
            "Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        )
    };
    format!(
        "{}\n{}",
        source(main, format!("{suite} {suite}-updates")),
        source(security, format!("{suite}-security"))
    )
}

const APT: &str = "\
// Translations of descriptions are not read by anybody in a container.
Acquire::Languages \"none\";
// What is only suggested keeps no package from being removed.
APT::AutoRemove::SuggestsImportant \"false\";
";

const DPKG: &str = "\
# A container that a power cut interrupts is built again: nothing has to be synced to the disk.
force-unsafe-io
# Documentation and translations are left out, licences are not.
";

const POLICY: &str = "\
#!/bin/sh
# Nothing supervises services in a container: packages must not start theirs when they are installed.
exit 101
";
