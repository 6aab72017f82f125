//! The keywords of `#[app::function(…)]` and of `app::config!`.

use proc_macro2::{Span, TokenStream};
use syn::Ident;

use crate::diag::{Errors, Fault};
use crate::keyword::{self, Checked, Keyword, Kind};
use crate::syntax::Arguments;
use crate::text;

/// Keywords, by where they end up.
#[derive(Default)]
pub(crate) struct Settings {
    /// `name = "x"`
    pub(crate) name: Option<(Ident, Checked)>,
    /// `image = ML`
    pub(crate) image: Option<(Ident, Checked)>,
    /// The rest: methods of `FunctionOptions`.
    pub(crate) options: Vec<(Ident, Checked)>,
}

const IMAGE: Keyword = Keyword {
    name: "image",
    kind: Kind::Image,
};

const TIMEOUT: Keyword = Keyword {
    name: "timeout",
    kind: Kind::Duration,
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

/// What a function takes.
pub(crate) const FUNCTION: &[Keyword] = &[IMAGE, TIMEOUT, ENV, SECRETS, name("\"train\"")];

/// What the program takes: its own name, and defaults of its functions.
pub(crate) const CONFIG: &[Keyword] = &[name("\"etl\""), IMAGE, TIMEOUT, ENV, SECRETS];

/// Reads all of a macro's arguments.
pub(crate) fn read(
    subject: &str,
    table: &[Keyword],
    tokens: TokenStream,
    errors: &mut Errors,
) -> Settings {
    let arguments = Arguments::parse(tokens, Span::call_site(), errors);
    let subject = format!("`{subject}`");
    for value in &arguments.positional {
        let fault = Fault::new(format!("{subject} takes keywords only"));
        errors.at(value, fault.help("write `name = value`"));
    }
    let mut settings = Settings::default();
    for (keyword, value) in keyword::read_all(&subject, table, &arguments.keywords, errors) {
        match keyword.to_string().as_str() {
            "name" => settings.name = Some((keyword, value)),
            "image" => settings.image = Some((keyword, value)),
            _ => settings.options.push((keyword, value)),
        }
    }
    settings
}
