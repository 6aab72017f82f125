//! The keywords of `#[app::function(…)]` and of `app::config!`.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident};

use crate::diag::{Errors, Fault};
use crate::keyword::{self, Checked, Keyword, Kind};
use crate::syntax::{Arguments, Value, path_text};
use crate::text;

/// Keywords, by where they end up.
#[derive(Default)]
pub(crate) struct Settings {
    /// `name = "x"`
    pub(crate) name: Option<(Ident, Checked)>,
    /// `image = ML`
    pub(crate) image: Option<(Ident, Checked)>,
    /// `file = "train.py"`
    pub(crate) file: Option<(Ident, Checked)>,
    /// The rest: methods of `FunctionOptions`.
    pub(crate) options: Vec<(Ident, Checked)>,
}

const IMAGE: Keyword = Keyword {
    name: "image",
    kind: Kind::Image,
};

const FILE: Keyword = Keyword {
    name: "file",
    kind: Kind::Text {
        check: text::local::text_file,
        example: "\"train.py\"",
    },
};

const TIMEOUT: Keyword = Keyword {
    name: "timeout",
    kind: Kind::Duration {
        or_nothing: false,
        example: "\"5m\"",
    },
};

const RETRIES: Keyword = Keyword {
    name: "retries",
    kind: Kind::Retries,
};

const GPU: Keyword = Keyword {
    name: "gpu",
    kind: Kind::Gpu,
};

const CPU: Keyword = Keyword {
    name: "cpu",
    kind: Kind::Cpus,
};

const MEMORY: Keyword = Keyword {
    name: "memory",
    kind: Kind::Memory,
};

const NETWORK: Keyword = Keyword {
    name: "network",
    kind: Kind::Flag,
};

const VOLUMES: Keyword = Keyword {
    name: "volumes",
    kind: Kind::Volumes,
};

const CONCURRENCY: Keyword = count("concurrency", 1, "4");
const MIN_CONTAINERS: Keyword = count("min_containers", 0, "1");
const MAX_CONTAINERS: Keyword = count("max_containers", 1, "8");

const IDLE_TIMEOUT: Keyword = Keyword {
    name: "idle_timeout",
    kind: Kind::Duration {
        or_nothing: true,
        example: "\"60s\"",
    },
};

const ENV: Keyword = Keyword {
    name: "env",
    kind: keyword::ENVIRONMENT,
};

const SECRETS: Keyword = Keyword {
    name: "secrets",
    kind: Kind::Secrets,
};

const fn name(example: &'static str) -> Keyword {
    Keyword {
        name: "name",
        kind: Kind::Text {
            check: text::name::of_app_or_function,
            example,
        },
    }
}

const fn count(name: &'static str, least: u32, example: &'static str) -> Keyword {
    Keyword {
        name,
        kind: Kind::Count { least, example },
    }
}

/// What a function takes.
pub(crate) const FUNCTION: &[Keyword] = &[
    IMAGE,
    TIMEOUT,
    RETRIES,
    ENV,
    SECRETS,
    VOLUMES,
    GPU,
    CPU,
    MEMORY,
    NETWORK,
    CONCURRENCY,
    MIN_CONTAINERS,
    MAX_CONTAINERS,
    IDLE_TIMEOUT,
    name("\"train\""),
];

/// What a function whose body is Python takes: what every function takes, and its file.
pub(crate) fn python() -> Vec<Keyword> {
    FUNCTION.iter().copied().chain([FILE]).collect()
}

/// What the program takes: its own name, and defaults of its functions.
pub(crate) const CONFIG: &[Keyword] = &[
    name("\"etl\""),
    IMAGE,
    TIMEOUT,
    RETRIES,
    ENV,
    SECRETS,
    VOLUMES,
    GPU,
    CPU,
    MEMORY,
    NETWORK,
    CONCURRENCY,
    MIN_CONTAINERS,
    MAX_CONTAINERS,
    IDLE_TIMEOUT,
];

/// Reads all of a macro's arguments.
pub(crate) fn read(
    subject: &str,
    table: &[Keyword],
    tokens: TokenStream,
    errors: &mut Errors,
) -> Settings {
    let mut arguments = Arguments::parse(tokens, Span::call_site(), errors);
    let subject = format!("`{subject}`");
    for value in std::mem::take(&mut arguments.positional) {
        if let Some(name) = named_by_call(&value, table) {
            arguments.keywords.push((name, value));
            continue;
        }
        errors.at(&value, without_name(&subject, &value, table));
    }
    let mut settings = Settings::default();
    for (keyword, value) in keyword::read_all(&subject, table, &arguments.keywords, errors) {
        match keyword.to_string().as_str() {
            "name" => settings.name = Some((keyword, value)),
            "image" => settings.image = Some((keyword, value)),
            "file" => settings.file = Some((keyword, value)),
            _ => settings.options.push((keyword, value)),
        }
    }
    check_containers(&settings, errors);
    settings
}

/// What is wrong with a value that has no name.
fn without_name(subject: &str, value: &Value, table: &[Keyword]) -> Fault {
    let path = match value {
        Value::Other(Expr::Path(path)) => Some(path_text(path)),
        _ => None,
    };
    let keyword = path
        .as_ref()
        .and_then(|path| table.iter().find(|keyword| path == keyword.name));
    if let Some(Keyword { name, kind }) = keyword {
        return Fault::new(format!("`{name}` needs a value"))
            .help(format!("such as `{name} = {}`", kind.example()));
    }
    Fault::new(format!("{subject} takes keywords only")).help(match path {
        Some(path) => format!("write `image = {path}`"),
        None => format!("such as `timeout = {}`", TIMEOUT.kind.example()),
    })
}

/// The keyword of a value that is written `keyword(…)`.
fn named_by_call(value: &Value, table: &[Keyword]) -> Option<Ident> {
    let Value::Other(Expr::Call(call)) = value else {
        return None;
    };
    let has_options = |keyword: &&Keyword| matches!(keyword.kind, Kind::Retries);
    let mut names = table.iter().filter(has_options);
    let keyword = names.find(|keyword| keyword::is_called(call, keyword.name))?;
    Some(Ident::new(keyword.name, call.func.span()))
}

/// What the numbers of containers contradict each other in.
fn check_containers(settings: &Settings, errors: &mut Errors) {
    let written = |name: &str| {
        let mut options = settings.options.iter();
        options.find_map(|(keyword, value)| match value {
            Checked::Count(count, literal) if keyword == name => Some((*count, literal)),
            _ => None,
        })
    };
    if let (Some((min, literal)), Some((max, _))) =
        (written("min_containers"), written("max_containers"))
        && min > max
    {
        let fault = Fault::new(format!(
            "`min_containers` must not be more than `max_containers`: {min} and {max}"
        ));
        errors.at(literal, fault.help(format!("at most {max}")));
    }
}
