//! How a base is configured: commands to run, in order, in a container of its unpacked files. They need no network.

use super::Resolved;
use crate::protocol::Command;

/// Comes first in `PATH` while packages are configured, and is removed at the end.
const OVERRIDES: &str = "/run/image-runtime";

/// Runs what packages do before they are unpacked, as far as that matters for a first installation; first of all base-passwd's, which
/// makes the users.
const PREPARE: &str = r#"
mkdir -p "$OVERRIDES"
# There is no init to restart: packages ask this, and else wait for it.
ln -s /bin/true "$OVERRIDES/ischroot"
# It only does something where an older version was installed.
ln -s /bin/true "$OVERRIDES/dpkg-maintscript-helper"
cd /var/lib/dpkg/info
for script in base-passwd.preinst *.preinst; do
    [ -e "$script" ] || continue
    package="${script%.preinst}"
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE="${package%:*}" "./$script" install
done
"#;

/// Removes what configuring leaves behind and nobody needs.
const TIDY: &str = r#"
rm -rf "$OVERRIDES" /tmp/* /var/tmp/* /var/cache/apt/*.bin /var/cache/ldconfig/* /var/cache/debconf/*-old
rm -f /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/.pwd.lock
find /var/log -type f -name '*.log' -delete
find /var/log -type f -exec truncate --size 0 {} +
"#;

/// The commands that configure the files of a base.
pub fn configure(resolved: &Resolved) -> Vec<Command> {
    let command = |argv: &[&str]| Command {
        argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
        env: environment(resolved),
        workdir: "/".to_owned(),
    };
    vec![
        command(&["/bin/sh", "-e", "-c", PREPARE]),
        // Everything else relies on the users that this package makes, without saying so.
        command(&["dpkg", "--force-depends", "--configure", "base-passwd"]),
        command(&["dpkg", "--configure", "--pending"]),
        command(&["/bin/sh", "-e", "-c", TIDY]),
    ]
}

fn environment(resolved: &Resolved) -> Vec<(String, String)> {
    [
        (
            "PATH",
            format!("{OVERRIDES}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ),
        ("HOME", "/root".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("OVERRIDES", OVERRIDES.to_owned()),
        ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true".to_owned()),
        ("DPKG_MAINTSCRIPT_ARCH", resolved.architecture.clone()),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1".to_owned()),
        ("DPKG_ADMINDIR", "/var/lib/dpkg".to_owned()),
        ("DPKG_ROOT", String::new()),
        // Dates that programs write, such as that of the last change of a password, are those of the release.
        ("SOURCE_DATE_EPOCH", resolved.release_date.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
