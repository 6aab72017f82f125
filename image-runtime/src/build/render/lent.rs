//! What a command is lent while it runs.

use std::fmt::Write as _;

use super::super::Prepared;
use super::Writer;
use crate::plan::{Action, MountSpec, PlannedLayer};
use crate::spec::dockerfile::{MountKind, Source};
use crate::spec::secret;

impl Writer {
    /// The flags by which a command is lent the variables of its secrets. What no Dockerfile can name is said.
    pub(super) fn secrets(&mut self, layer: &PlannedLayer) -> String {
        let takes = matches!(
            layer.action,
            Action::RunCommands(_) | Action::PipInstall { .. } | Action::UvSync { .. }
        );
        let mut flags = String::new();
        let mut others = Vec::new();
        for secret in layer.secrets.all {
            match secret.source() {
                secret::Source::Env(name) if takes => {
                    self.secrets.insert(name);
                    let _ = write!(flags, "--mount=type=secret,id={name},env={name} ");
                }
                _ => others.push(format!("`{}`", secret.identity()[1])),
            }
        }
        if !others.is_empty() {
            let _ = writeln!(
                self.text,
                "# The next step needs the variables of {}. `--secret id=NAME,env=NAME` hands one to `--mount=type=secret,id=NAME,env=NAME`.",
                others.join(", ")
            );
        }
        flags
    }

    /// The flags of what a command is lent. Only BuildKit knows them.
    pub(super) fn lent(&self, image: &Prepared, step: usize, mounts: &[MountSpec]) -> String {
        let (mut trees, mut others) = (image.taken(step), image.others(step).iter());
        let mut flags = String::new();
        for mount in mounts {
            let mut mount = mount.clone();
            let mut stage = None;
            match mount.kind {
                MountKind::Bind(Source::Context) => {
                    let root = trees.next().expect("its files were read").root();
                    let path = root.strip_prefix(&self.context).unwrap_or(root);
                    mount.name = match path.to_string_lossy() {
                        empty if empty.is_empty() => ".".to_owned(),
                        path => path.into_owned(),
                    };
                }
                MountKind::Bind(_) => {
                    let other = others.next().expect("its image was found out");
                    stage = Some(self.stage_of(other));
                }
                _ => {}
            }
            flags.push_str(&mount.flag(stage));
            flags.push(' ');
        }
        flags
    }
}
