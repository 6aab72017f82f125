//! What stands between parentheses: values, and keywords with values. Parsing recovers at the next comma, so that one slip
//! does not hide the others.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseBuffer, ParseStream, Parser as _};
use syn::{
    Attribute, Expr, ExprLit, ExprPath, ExprUnary, Ident, Lit, Token, UnOp, braced, bracketed,
    token,
};

use crate::diag::{Errors, Fault};

/// A value as written.
#[expect(
    clippy::large_enum_variant,
    reason = "a macro call has few values, and none of them for long"
)]
pub(crate) enum Value {
    /// `"text"`, `true`, `3.10`
    Literal(Lit),
    /// `["a", "b"]`
    List(Span, Vec<Value>),
    /// `{ "K": "V" }`
    Map(Span, Vec<(Value, Value)>),
    /// Anything else that is an expression: a path, a call, …
    Other(Expr),
    /// What could be read of a list or a map; that some of it could not has been reported. It is not what was meant.
    Part(Box<Value>),
}

impl Value {
    /// What it is, for people.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Literal(Lit::Str(_)) => "a string",
            Self::Literal(Lit::Bool(_)) => "a bool",
            Self::Literal(Lit::Int(_)) => "an integer",
            Self::Literal(Lit::Float(_)) => "a float",
            Self::Literal(Lit::Char(_)) => "a character",
            Self::Literal(Lit::Byte(_)) => "a byte",
            Self::Literal(Lit::ByteStr(_)) => "a string of bytes",
            Self::Literal(Lit::CStr(_)) => "a string of C",
            Self::Literal(_) => "another literal",
            Self::List(..) => "a list",
            Self::Map(..) => "a map",
            Self::Other(Expr::Path(path)) if path.qself.is_some() => "a path through a trait",
            Self::Other(Expr::Path(_)) => "a path",
            Self::Other(Expr::Call(_) | Expr::MethodCall(_)) => "a call",
            Self::Other(Expr::Macro(_)) => "a macro call",
            Self::Other(expression) if is_negative(expression) => "a negative number",
            Self::Other(_) => "an expression",
            Self::Part(read) => read.describe(),
        }
    }

    fn all_of_it(self, is_all: bool) -> Self {
        match is_all {
            true => self,
            false => Self::Part(Box::new(self)),
        }
    }
}

/// `-1`, `-1.0`
pub(crate) fn is_negative(expression: &Expr) -> bool {
    let Expr::Unary(ExprUnary {
        op: UnOp::Neg(_),
        expr,
        ..
    }) = expression
    else {
        return false;
    };
    matches!(&**expr, Expr::Lit(number) if matches!(number.lit, Lit::Int(_) | Lit::Float(_)))
}

/// For the place of an error only: lists and maps are an empty pair of brackets that spans them.
impl ToTokens for Value {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Literal(literal) => literal.to_tokens(tokens),
            Self::List(span, _) | Self::Map(span, _) => {
                let mut group = Group::new(Delimiter::Bracket, TokenStream::new());
                group.set_span(*span);
                group.to_tokens(tokens);
            }
            Self::Other(expression) => expression.to_tokens(tokens),
            Self::Part(read) => read.to_tokens(tokens),
        }
    }
}

/// Arguments as written: what has no name, then what has one.
pub(crate) struct Arguments {
    /// The parentheses, or the whole call where there are none.
    pub(crate) span: Span,
    /// Values without a name, in order.
    pub(crate) positional: Vec<Value>,
    /// `name = value`, in order.
    pub(crate) keywords: Vec<(Ident, Value)>,
    /// Whether something between the parentheses could not be read (and has been reported).
    pub(crate) faulty: bool,
}

impl Arguments {
    /// Parses all of `tokens`; `span` is what surrounds them.
    pub(crate) fn parse(tokens: TokenStream, span: Span, errors: &mut Errors) -> Self {
        let mut arguments = Self {
            span,
            positional: Vec::new(),
            keywords: Vec::new(),
            faulty: false,
        };
        let all = |input: ParseStream<'_>| {
            separated(input, errors, |input, errors| {
                arguments.parse_one(input, errors)
            })
        };
        match all.parse2(tokens) {
            Ok(complete) => arguments.faulty |= !complete,
            Err(error) => {
                errors.syntax(error);
                arguments.faulty = true;
            }
        }
        arguments
    }

    fn parse_one(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        no_attributes(input, errors)?;
        let is_colon = input.peek2(Token![:]) && !input.peek2(Token![::]);
        if input.peek(Ident::peek_any) && (is_colon || input.peek2(Token![=>])) {
            let name = Ident::parse_any(input)?;
            let fault = Fault::new("a keyword is written with `=`");
            let fault = fault.help(format!("write `{name} = …`"));
            return Err(input.error(fault.text()));
        }
        if is_keyword(input) {
            let name = Ident::parse_any(input)?;
            let equals: Token![=] = input.parse()?;
            if input.is_empty() || input.peek(Token![,]) {
                let message = Fault::new(format!("`{name}` needs a value after `=`"));
                return Err(syn::Error::new_spanned(equals, message.text()));
            }
            let value = parse_value(input, errors)?;
            self.keywords.push((name, value));
        } else {
            self.positional.push(parse_value(input, errors)?);
        }
        Ok(())
    }
}

/// Whether `name =` comes next, and not `name ==`.
fn is_keyword(input: ParseStream<'_>) -> bool {
    input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==])
}

/// Reports attributes. A part of a definition is there in all cases.
pub(crate) fn no_attributes(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
    for attribute in input.call(Attribute::parse_outer)? {
        errors.at(
            &attribute,
            match attribute.path().is_ident("doc") {
                true => Fault::new("there is nothing here that could be documented")
                    .help("write a comment that starts with `//`"),
                false => Fault::new("no attribute can stand here")
                    .help("a `#[cfg]` goes on a whole item: write one for each case"),
            },
        );
    }
    Ok(())
}

fn parse_value(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Value> {
    no_attributes(input, errors)?;
    if input.peek(token::Bracket) {
        let content;
        let span = bracketed!(content in input).span.join();
        let mut items = Vec::new();
        let complete = separated(&content, errors, |input, errors| {
            items.push(parse_value(input, errors)?);
            Ok(())
        })?;
        return Ok(Value::List(span, items).all_of_it(complete));
    }
    if input.peek(token::Brace) {
        let content;
        let span = braced!(content in input).span.join();
        let mut entries = Vec::new();
        let complete = separated(&content, errors, |input, errors| {
            entries.push(parse_entry(input, errors)?);
            Ok(())
        })?;
        return Ok(Value::Map(span, entries).all_of_it(complete));
    }
    let mut expression: Expr = input.parse()?;
    // A fragment that a user's own `macro_rules!` hands on stands in an invisible group.
    while let Expr::Group(group) = expression {
        expression = *group.expr;
    }
    Ok(match expression {
        Expr::Lit(ExprLit { lit, .. }) => Value::Literal(lit),
        other => Value::Other(other),
    })
}

/// `"K": "V"`. The colon is where `=` is easily written instead.
fn parse_entry(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<(Value, Value)> {
    no_attributes(input, errors)?;
    let key = Value::Literal(input.call(parse_key)?);
    if input.peek(Token![=]) {
        let fault = Fault::new("a map is written with `:`").help("write `\"KEY\": \"value\"`");
        return Err(input.error(fault.text()));
    }
    input.parse::<Token![:]>()?;
    Ok((key, parse_value(input, errors)?))
}

fn parse_key(input: ParseStream<'_>) -> syn::Result<Lit> {
    if input.peek(Ident::peek_any) && !input.peek(Lit) {
        let name = Ident::parse_any(input)?;
        let fault = Fault::new(format!("the key `{name}` must be a string"))
            .help(format!("write `\"{name}\"`"));
        return Err(syn::Error::new_spanned(name, fault.text()));
    }
    input.parse()
}

/// Parses items up to the end, separated by commas; true where all of them could be parsed. What cannot be parsed is
/// reported and skipped up to the next comma.
fn separated(
    input: &ParseBuffer<'_>,
    errors: &mut Errors,
    mut item: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) -> syn::Result<bool> {
    let mut complete = true;
    while !input.is_empty() {
        let mut result = match input.peek(Token![,]) {
            true => {
                let fault = Fault::new("nothing stands before this comma").help("leave it out");
                Err(input.error(fault.text()))
            }
            false => item(input, errors),
        };
        if result.is_ok() && !input.is_empty() && !input.peek(Token![,]) {
            result = Err(input.error("expected `,`"));
        }
        if let Err(error) = result {
            complete = false;
            errors.syntax(error);
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(complete)
}

/// A path as one writes it, without spaces but those between words.
pub(crate) fn path_text(path: &impl ToTokens) -> String {
    let spaced = quote!(#path).to_string();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut text = String::new();
    for part in spaced.split(' ') {
        if (text.ends_with(is_word) || text.ends_with('>')) && part.starts_with(is_word) {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

/// A path to a constant, `ML` or `<T as Trait>::ML`, of what is called a `noun`. It goes into an item of its own, which no `Self` reaches.
pub(crate) fn constant(noun: &str, path: &ExprPath, errors: &mut Errors) -> Option<ExprPath> {
    let Some(word) = find_self(quote!(#path)) else {
        return Some(path.clone());
    };
    let fault = Fault::new(format!("{noun} cannot be named through `Self` here"));
    errors.at(word, fault.help("write the name of the type"));
    None
}

/// The first `Self` in some tokens.
pub(crate) fn find_self(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) if word == "Self" => Some(word),
        TokenTree::Group(group) => find_self(group.stream()),
        _ => None,
    })
}
