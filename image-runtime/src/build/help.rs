//! What to do about a command that failed, as far as its last lines tell.

use crate::plan::Action;
use crate::protocol::RunOutcome;

/// What apt says where it does not reach an archive, and uv where it does not reach an index.
const UNREACHABLE: [&str; 9] = [
    "Temporary failure resolving",
    "Could not resolve",
    "Could not connect",
    "Unable to connect",
    "Cannot initiate the connection",
    "Connection timed out",
    "Connection failed",
    "client error (Connect)",
    "operation timed out",
];

/// What uv says where there is no Python. The last is what it says of an image without any program.
const NO_PYTHON: [&str; 3] = [
    "No interpreter found",
    "No system Python",
    "Failed to discover managed Python installations",
];

/// What uv says of a package that no index has, and no folder where no index is asked.
const NO_PACKAGE: [&str; 2] = [
    "was not found in the package registry",
    "was not found in the provided package locations",
];

/// What uv says where there is the package, and not as it is wanted.
const NO_VERSION: [&str; 4] = [
    "there is no version of",
    "there are no versions of",
    "is available and you require",
    "are available and you require",
];

/// What a TLS client says of a server that speaks without it.
const NO_TLS: &str = "InvalidContentType";

/// The help for a step that failed, where it is known. Whether containers share this machine's network is the engine's.
pub(super) fn help(
    action: &Action,
    outcome: &RunOutcome,
    last_lines: &[String],
    shares_network: bool,
) -> Option<&'static str> {
    let said = |text: &str| last_lines.iter().any(|line| line.contains(text));
    let said_one = |texts: &[&str]| texts.iter().any(|text| said(text));
    let runs_apt = matches!(action, Action::AptInstall(_) | Action::SuitePython { .. });
    let runs_uv = matches!(
        action,
        Action::PipInstall { .. }
            | Action::UvSync { .. }
            | Action::SuitePython { .. }
            | Action::StandalonePython { .. }
    );
    match (action, outcome) {
        (Action::AptInstall(_), RunOutcome::NotFound(_)) => Some(
            "`apt_install` needs a Debian or Ubuntu base; elsewhere use `run_commands` with the image's own package manager",
        ),
        (Action::RunCommands(_), RunOutcome::NotFound(_)) => {
            Some("`run_commands` needs a shell in the image")
        }
        _ if runs_uv && said(NO_TLS) => Some(
            "what answers at this address speaks no TLS: write `http://` where it is an index without, and look whether a proxy is in between",
        ),
        _ if (runs_apt || runs_uv) && said_one(&UNREACHABLE) && shares_network => Some(
            "the network is not reached: the step has that of this machine, with its DNS servers, so check these; behind a proxy set \
             `http_proxy` and `https_proxy`",
        ),
        _ if (runs_apt || runs_uv) && said_one(&UNREACHABLE) => Some(
            "the build container does not reach the network: check what network and which DNS servers the engine gives its containers; \
             behind a proxy set `http_proxy` and `https_proxy` to an address that containers reach, too: `127.0.0.1` is their own there",
        ),
        (Action::AptInstall(_), _) if said("Unable to locate package") => Some(
            "look the name up in Debian’s package search; the suite follows from `builder_version`",
        ),
        (Action::AptInstall(_), _) if said("is a virtual package") => {
            Some("several packages can take the place of this one: write the one that is wanted")
        }
        (Action::AptInstall(_), _) if said("has no installation candidate") => Some(
            "the archive knows this name only from other packages: look it up in Debian’s package search; the suite follows from \
             `builder_version`",
        ),
        (Action::AptInstall(packages), _) if said("E: Version '") && are_pinned(packages) => Some(
            "the archive does not have this version, or not any more: write one that it has, or the name alone; `IMAGE_DEBIAN_MIRROR` can \
             name a mirror that keeps old ones",
        ),
        _ if runs_apt && said("E: Version '") => Some(
            "the archive does not have this version, or not any more: `lock --update` takes what it has now, and `IMAGE_DEBIAN_MIRROR` \
             can name a mirror that keeps old ones",
        ),
        (Action::Conda { .. }, _) if said_one(&UNREACHABLE) => Some(
            "the channel is not reached: check the network; `IMAGE_CONDA_MIRROR` can name a server or a directory that has it",
        ),
        _ if runs_uv && said("Hash mismatch") => Some(
            "the index gives other files than those that `image.lock` names: if that is right, `lock --update` takes them",
        ),
        (Action::PipInstall { .. } | Action::UvSync { .. }, _) if said_one(&NO_PACKAGE) => Some(
            "no index that was asked has a package of this name: look the name up there; `index_url` and `extra_index_url` name other \
             indexes than PyPI",
        ),
        (Action::PipInstall { .. } | Action::UvSync { .. }, _) if said_one(&NO_VERSION) => Some(
            "look up which versions the index has, and which of them are for this Python; `index_url` and `extra_index_url` name other \
             indexes than PyPI",
        ),
        (Action::PipInstall { .. } | Action::UvSync { .. }, _) if said_one(&NO_PYTHON) => Some(
            "this base has no Python: use `debian_slim(python_version = \"3.11\")`, write `add_python = \"3.11\"`, or install one in an earlier step",
        ),
        _ => None,
    }
}

/// Whether the definition itself names a version.
fn are_pinned(packages: &[&str]) -> bool {
    packages.iter().any(|package| package.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::plan::Pip;

    const APT: Action = Action::AptInstall(&["jq"]);

    fn pip() -> Action {
        Action::PipInstall {
            pip: Pip::from(&crate::spec::verb::pip_install(&["numpy"])),
            uv: "0".into(),
        }
    }

    fn said(action: &Action, lines: &[&str]) -> &'static str {
        let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
        help(action, &RunOutcome::Exited(2), &lines, false).unwrap_or_default()
    }

    #[test]
    fn what_an_index_does_not_have_is_looked_up_there() {
        for place in ["package registry", "provided package locations"] {
            let line = format!(
                "  cause: Because nope was not found in the {place} and you require nope, we can conclude that"
            );
            let help = said(&pip(), &[&line]);
            assert!(
                help.contains("of this name") && help.contains("`index_url`"),
                "{help}"
            );
        }
        for line in [
            "  cause: Because there is no version of six==99 and you require six==99, we can conclude that",
            "  cause: Because only six<=1.17.0 is available and you require six>=99,<100, we can conclude that",
        ] {
            let help = said(&pip(), &[line]);
            assert!(help.contains("which versions"), "{help}");
        }
    }

    #[test]
    fn the_network_that_is_not_reached_is_that_of_the_engines_containers() {
        let line = ["  cause: client error (Connect)".to_owned()];
        let of = |shares| help(&pip(), &RunOutcome::Exited(2), &line, shares).unwrap_or_default();
        assert!(of(true).contains("that of this machine"), "{}", of(true));
        assert!(of(false).contains("the engine gives"), "{}", of(false));
        for shares in [true, false] {
            let line = ["  cause: received corrupt message of type InvalidContentType".to_owned()];
            let help = help(&pip(), &RunOutcome::Exited(2), &line, shares).unwrap_or_default();
            assert!(help.contains("speaks no TLS"), "{help}");
        }
    }

    #[test]
    fn an_archive_or_index_that_is_not_reached_is_a_matter_of_the_network() {
        for (action, line) in [
            (
                APT,
                "E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Temporary failure resolving 'deb.debian.org'",
            ),
            (
                APT,
                "E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Could not connect to 127.0.0.1:1 (127.0.0.1). - connect (111: Connection refused)",
            ),
            (
                APT,
                "E: Failed to fetch http://deb.debian.org/debian/dists/bookworm-updates/InRelease  Unable to connect to 127.0.0.1:1:",
            ),
            (pip(), "  cause: client error (Connect)"),
        ] {
            let help = said(&action, &[line]);
            assert!(
                help.contains("does not reach the network"),
                "{line}: {help}"
            );
            assert!(help.contains("http_proxy"), "{help}");
        }
    }

    #[test]
    fn a_package_that_is_not_there_is_looked_up_and_no_matter_of_the_network() {
        let help = said(&APT, &["E: Unable to locate package nope"]);
        assert!(help.contains("package search"), "{help}");
    }

    #[test]
    fn a_version_that_is_gone_is_mended_where_it_is_written() {
        let line = "E: Version '1.6' for 'jq' was not found";
        let pinned = said(&Action::AptInstall(&["jq=1.6"]), &[line]);
        assert!(pinned.contains("or the name alone"), "{pinned}");
        let locked = said(&APT, &[line]);
        assert!(locked.contains("`lock --update`"), "{locked}");
    }

    #[test]
    fn a_package_that_is_but_a_name_is_told_apart() {
        let candidate = "E: Package 'mta' has no installation candidate";
        let help = said(
            &APT,
            &["Package mta is a virtual package provided by:", candidate],
        );
        assert!(help.contains("the one that is wanted"), "{help}");
        let help = said(&APT, &[candidate]);
        assert!(help.contains("package search"), "{help}");
    }

    #[test]
    fn a_base_without_python_is_told_however_empty_it_is() {
        for lines in [
            &["error: No system Python installation found"][..],
            &[
                "error: Failed to discover managed Python installations",
                "  cause: Failed to find any common binaries to determine libc from: /bin/sh, /usr/bin/env, /bin/dash, /bin/ls",
            ],
        ] {
            let help = said(&pip(), lines);
            assert!(help.contains("python_version"), "{lines:?}: {help}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        assert_eq!(
            said(&Action::RunCommands(&["true"]), &["Could not connect"]),
            ""
        );
        assert_eq!(
            said(
                &APT,
                &["E: Sub-process /usr/bin/dpkg returned an error code (1)"]
            ),
            ""
        );
    }
}
