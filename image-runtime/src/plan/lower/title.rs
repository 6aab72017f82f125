//! Steps as people write them, for people.

use crate::spec::Step;

/// The step as people write it, shortened.
pub(super) fn title(step: &Step) -> String {
    let arguments = match step {
        Step::AptInstall(step) => step.packages.join(", "),
        Step::PipInstall(step) => step.requirements.join(", "),
        Step::PipInstallFromRequirements(step) => step.path.to_owned(),
        Step::PipInstallFromPyproject(step) => step.path.to_owned(),
        Step::UvSync(step) => step.path.to_owned(),
        Step::MicromambaInstall(step) => step.specs.join(", "),
        Step::RunCommands(step) => step.commands.join(", "),
        Step::RunFunction(step) => (step.function.spec)().name.to_owned(),
        Step::CopyLocalFile(step) => format!("{} → {}", step.source, step.target),
        Step::CopyLocalDir(step) => format!("{} → {}", step.source, step.target),
        Step::AddLocalFile(step) => format!("{} → {}", step.source, step.target),
        Step::AddLocalDir(step) => format!("{} → {}", step.source, step.target),
        Step::Env(step) => {
            let pairs = step.variables.iter();
            let pairs: Vec<_> = pairs
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join(", ")
        }
        Step::Workdir(step) => step.path.to_owned(),
        Step::Entrypoint(step) => step.arguments.join(", "),
        Step::Cmd(step) => step.arguments.join(", "),
        Step::Shell(step) => step.arguments.join(", "),
        Step::DockerfileCommands(_) => unreachable!("a chain holds its instructions"),
    };
    format!("{}({})", step.verb(), shortened(&arguments))
}

pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.replace(['\n', '\r'], " ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
