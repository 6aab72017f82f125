//! The grammar of `image!`: one row a base, one row a step. A new step is a new row here, an item of its name in
//! `image-runtime`'s `spec::verb`, and what lowers it.

use proc_macro2::TokenStream;

use super::model::Call;
use super::{builder, conda, dockerfile, python, rules};
use crate::diag::{Errors, Fault};
use crate::keyword::{Keyword, Kind, TextCheck};
use crate::python::options;
use crate::text;

/// A base or a step.
pub(crate) struct Row {
    /// Its name, which is also the name of the item in `image-runtime`.
    pub(crate) name: &'static str,
    /// Other names it goes by.
    pub(crate) aliases: &'static [&'static str],
    /// What stands in the parentheses without a name.
    pub(crate) positional: Positional,
    /// What stands there with one.
    pub(crate) keywords: &'static [Keyword],
    /// Rules between the arguments, and what follows from them.
    pub(crate) finish: Option<fn(&mut Call, &mut Errors)>,
}

/// What stands in the parentheses without a name.
pub(crate) enum Positional {
    /// One or more strings, each a `what`.
    Strings {
        what: &'static str,
        check: TextCheck,
        example: &'static str,
        /// Keywords that may stand in place of all of them.
        or: &'static [&'static str],
    },
    /// Exactly these.
    Exactly(&'static [Keyword]),
}

/// What an image can start from, besides another image.
pub(crate) const BASES: &[Row] = &[
    Row {
        name: "debian_slim",
        aliases: &[],
        positional: Positional::Exactly(&[]),
        keywords: &[
            text("python_version", builder::python_version, "\"3.11\""),
            text("builder_version", builder::version, "\"2024.10\""),
        ],
        finish: Some(builder::resolve),
    },
    Row {
        name: "micromamba",
        aliases: &[],
        positional: Positional::Exactly(&[]),
        keywords: &[
            text("python_version", builder::python_version, "\"3.11\""),
            text("builder_version", builder::version, "\"2024.10\""),
        ],
        finish: Some(builder::resolve),
    },
    Row {
        name: "from_registry",
        aliases: &[],
        positional: Positional::Exactly(&[text(
            "reference",
            text::reference::image,
            "\"alpine:3.20\"",
        )]),
        keywords: &[
            Keyword {
                name: "secret",
                kind: Kind::Secret,
            },
            ADD_PYTHON,
        ],
        finish: Some(builder::add_python),
    },
    Row {
        name: "from_dockerfile",
        aliases: &[],
        positional: Positional::Exactly(&[text(
            "path",
            text::local::text_file,
            "\"./Dockerfile\"",
        )]),
        keywords: &[
            Keyword {
                name: "build_args",
                kind: Kind::Map {
                    key: text::plain::env_value,
                    value: text::plain::env_value,
                    example: "{ \"VERSION\": \"1.2\" }",
                },
            },
            CONTEXT_DIR,
            text("target", text::any, "\"build\""),
            SECRETS,
            ADD_PYTHON,
        ],
        finish: Some(dockerfile::from_dockerfile),
    },
    Row {
        name: "scratch",
        aliases: &[],
        positional: Positional::Exactly(&[]),
        keywords: &[],
        finish: None,
    },
];

/// What can follow.
pub(crate) const STEPS: &[Row] = &[
    Row {
        name: "apt_install",
        aliases: &[],
        positional: Positional::Strings {
            what: "package",
            check: text::apt::package,
            example: "\"git\"",
            or: &[],
        },
        keywords: &[FORCE_BUILD],
        finish: None,
    },
    Row {
        name: "pip_install",
        aliases: &["uv_pip_install"],
        positional: Positional::Strings {
            what: "requirement",
            check: text::pep508::requirement,
            example: "\"numpy==2.2.6\"",
            or: &[],
        },
        keywords: &[
            INDEX_URL,
            EXTRA_INDEX_URL,
            FIND_LINKS,
            PRE,
            EXTRA_OPTIONS,
            SECRETS,
            FORCE_BUILD,
        ],
        finish: None,
    },
    Row {
        name: "pip_install_from_requirements",
        aliases: &[],
        positional: Positional::Exactly(&[text(
            "path",
            text::local::text_file,
            "\"requirements.txt\"",
        )]),
        keywords: &[
            INDEX_URL,
            EXTRA_INDEX_URL,
            FIND_LINKS,
            PRE,
            EXTRA_OPTIONS,
            SECRETS,
            FORCE_BUILD,
        ],
        finish: Some(python::requirements),
    },
    Row {
        name: "pip_install_from_pyproject",
        aliases: &[],
        positional: Positional::Exactly(&[text(
            "path",
            text::local::text_file,
            "\"pyproject.toml\"",
        )]),
        keywords: &[
            chosen("optional_dependencies", "[\"dev\"]"),
            chosen("dependency_groups", "[\"test\"]"),
            INDEX_URL,
            EXTRA_INDEX_URL,
            FIND_LINKS,
            PRE,
            EXTRA_OPTIONS,
            SECRETS,
            FORCE_BUILD,
        ],
        finish: Some(python::pyproject),
    },
    Row {
        name: "uv_sync",
        aliases: &[],
        positional: Positional::Exactly(&[text("project", text::local::project, "\".\"")]),
        keywords: &[
            chosen("groups", "[\"test\"]"),
            chosen("extras", "[\"gpu\"]"),
            Keyword {
                name: "frozen",
                kind: Kind::Flag,
            },
            SECRETS,
            FORCE_BUILD,
        ],
        finish: Some(python::uv_sync),
    },
    Row {
        name: "micromamba_install",
        aliases: &[],
        positional: Positional::Strings {
            what: "match spec",
            check: text::conda::spec,
            example: "\"numpy=1.26\"",
            or: &["spec_file"],
        },
        keywords: &[
            Keyword {
                name: "channels",
                kind: Kind::Texts {
                    check: text::conda::channel,
                    example: "[\"conda-forge\"]",
                },
            },
            text("spec_file", text::local::text_file, "\"environment.yml\""),
            FORCE_BUILD,
        ],
        finish: Some(conda::micromamba_install),
    },
    Row {
        name: "run_commands",
        aliases: &[],
        positional: Positional::Strings {
            what: "command",
            check: text::plain::command,
            example: "\"make\"",
            or: &[],
        },
        keywords: &[SECRETS, FORCE_BUILD],
        finish: None,
    },
    Row {
        name: "run_function",
        aliases: &[],
        positional: Positional::Exactly(&[Keyword {
            name: "function",
            kind: Kind::Function,
        }]),
        keywords: &[FORCE_BUILD],
        finish: None,
    },
    Row {
        name: "copy_local_file",
        aliases: &[],
        positional: Positional::Exactly(&[
            text("source", text::local::copied_file, "\"config.yaml\""),
            text(
                "target",
                text::container_path::file,
                "\"/root/config.yaml\"",
            ),
        ]),
        keywords: &[FORCE_BUILD],
        finish: None,
    },
    Row {
        name: "copy_local_dir",
        aliases: &[],
        positional: Positional::Exactly(&[
            text("source", text::local::copied_directory, "\"models\""),
            text(
                "target",
                text::container_path::directory,
                "\"/root/models\"",
            ),
        ]),
        keywords: &[
            Keyword {
                name: "ignore",
                kind: Kind::Texts {
                    check: text::ignore::pattern,
                    example: "[\"*.pyc\"]",
                },
            },
            FORCE_BUILD,
        ],
        finish: None,
    },
    Row {
        name: "add_local_file",
        aliases: &[],
        positional: Positional::Exactly(&[
            text("source", text::local::added_file, "\"config.yaml\""),
            text(
                "target",
                text::container_path::file,
                "\"/root/config.yaml\"",
            ),
        ]),
        keywords: &[COPY, FORCE_BUILD],
        finish: None,
    },
    Row {
        name: "add_local_dir",
        aliases: &[],
        positional: Positional::Exactly(&[
            text("source", text::local::added_directory, "\"models\""),
            text(
                "target",
                text::container_path::directory,
                "\"/root/models\"",
            ),
        ]),
        keywords: &[
            Keyword {
                name: "ignore",
                kind: Kind::Texts {
                    check: text::ignore::pattern,
                    example: "[\"*.pyc\"]",
                },
            },
            COPY,
            FORCE_BUILD,
        ],
        finish: None,
    },
    Row {
        name: "env",
        aliases: &[],
        positional: Positional::Exactly(&[Keyword {
            name: "variables",
            kind: crate::keyword::ENVIRONMENT,
        }]),
        keywords: &[FORCE_BUILD],
        finish: Some(rules::env),
    },
    Row {
        name: "workdir",
        aliases: &[],
        positional: Positional::Exactly(&[text(
            "path",
            text::container_path::directory,
            "\"/app\"",
        )]),
        keywords: &[FORCE_BUILD],
        finish: None,
    },
    Row {
        name: "entrypoint",
        aliases: &[],
        positional: Positional::Exactly(&[arguments("[\"/usr/bin/tini\", \"--\"]")]),
        keywords: &[FORCE_BUILD],
        finish: None,
    },
    Row {
        name: "cmd",
        aliases: &[],
        positional: Positional::Exactly(&[arguments("[\"sleep\", \"infinity\"]")]),
        keywords: &[FORCE_BUILD],
        finish: None,
    },
    Row {
        name: "shell",
        aliases: &[],
        positional: Positional::Exactly(&[arguments("[\"/bin/bash\", \"-c\"]")]),
        keywords: &[FORCE_BUILD],
        finish: Some(rules::shell),
    },
    Row {
        name: "dockerfile_commands",
        aliases: &[],
        positional: Positional::Strings {
            what: "instruction",
            check: text::plain::command,
            example: "\"RUN make\"",
            or: &[],
        },
        keywords: &[CONTEXT_DIR, SECRETS, FORCE_BUILD],
        finish: Some(dockerfile::dockerfile_commands),
    },
];

/// The Python that is put into an image of others.
const ADD_PYTHON: Keyword = text("add_python", builder::python_version, "\"3.11\"");

/// Where `COPY` takes its files from.
const CONTEXT_DIR: Keyword = text("context_dir", text::local::directory, "\".\"");

const INDEX_URL: Keyword = text(
    "index_url",
    options::index_url,
    "\"https://pypi.example/simple\"",
);
const EXTRA_INDEX_URL: Keyword = Keyword {
    name: "extra_index_url",
    ..INDEX_URL
};
const FIND_LINKS: Keyword = text("find_links", options::find_links, "\"/wheels\"");
const PRE: Keyword = Keyword {
    name: "pre",
    kind: Kind::Flag,
};
const EXTRA_OPTIONS: Keyword = Keyword {
    name: "extra_options",
    kind: Kind::Words {
        split: options::words,
        example: "\"--no-deps\"",
    },
};
const SECRETS: Keyword = Keyword {
    name: "secrets",
    kind: Kind::Secrets,
};

/// Whether local files are baked into a layer.
const COPY: Keyword = Keyword {
    name: "copy",
    kind: Kind::Flag,
};

/// Names of extras or of groups.
const fn chosen(name: &'static str, example: &'static str) -> Keyword {
    let check = text::pep508::extra;
    let kind = Kind::Texts { check, example };
    Keyword { name, kind }
}

/// What every step takes.
const FORCE_BUILD: Keyword = Keyword {
    name: "force_build",
    kind: Kind::Flag,
};

const fn text(name: &'static str, check: TextCheck, example: &'static str) -> Keyword {
    let kind = Kind::Text { check, example };
    Keyword { name, kind }
}

/// What is handed to a process: `["serve", "--port=80"]`.
const fn arguments(example: &'static str) -> Keyword {
    let check = text::plain::argument;
    let kind = Kind::Texts { check, example };
    let name = "arguments";
    Keyword { name, kind }
}

/// The base of that name.
pub(crate) fn base(name: &str) -> Option<&'static Row> {
    BASES.iter().find(|row| row.is(name))
}

/// The step of that name.
pub(crate) fn step(name: &str) -> Option<&'static Row> {
    STEPS.iter().find(|row| row.is(name))
}

/// What a chain can start from, for people.
pub(crate) fn bases() -> String {
    let calls = BASES.iter().map(|row| format!("`{}()`", row.name));
    format!(
        "{} or the path of a `const Image`",
        calls.collect::<Vec<_>>().join(", ")
    )
}

/// What is wrong with a keyword that stands before the base.
pub(crate) fn not_first(name: &str, value: &TokenStream) -> Fault {
    if name == "strict" {
        let fault = Fault::new("`strict` stands behind the chain, not before it");
        return fault.help(format!("write `image!(debian_slim(), strict {value})`"));
    }
    let has_it = |row: &&Row| row.keywords.iter().any(|keyword| keyword.name == name);
    let help = match BASES.iter().find(has_it) {
        Some(base) => format!("it is a keyword of a base: `{}({name} {value})`", base.name),
        None => format!("bases: {}", bases()),
    };
    Fault::new("an image starts from a base, not from a keyword").help(help)
}

/// All names of a table, aliases too.
pub(crate) fn names(rows: &'static [Row]) -> impl Iterator<Item = &'static str> + Clone {
    rows.iter()
        .flat_map(|row| [row.name].into_iter().chain(row.aliases.iter().copied()))
}

impl Row {
    /// A right call of it, as written.
    pub(crate) fn example(&self) -> String {
        let arguments = match self.positional {
            Positional::Strings { example, .. } => example.to_owned(),
            Positional::Exactly(parameters) => {
                let examples = parameters.iter().map(|parameter| parameter.kind.example());
                examples.collect::<Vec<_>>().join(", ")
            }
        };
        format!("{}({arguments})", self.name)
    }

    fn is(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}
