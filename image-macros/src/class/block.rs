//! An `impl` under `#[app::cls]`: the functions with a role taken out, everything else as it was written.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _};
use syn::parse::discouraged::Speculative as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Attribute, ImplItem, ItemImpl, Meta};

use super::{ATTRIBUTE, ENTER, EXIT, METHOD};
use crate::diag::{Errors, Fault};
use crate::function::signature;
use crate::item::Item;
use crate::syntax::path_text;

/// An `impl` as written.
pub(super) struct Block {
    /// All of it but its members, whose bodies are not parsed: a slip in one is reported once, by the compiler.
    pub(super) head: ItemImpl,
    pub(super) members: Vec<Member>,
}

/// What stands in it.
pub(super) enum Member {
    Function(Box<Function>),
    Other(Box<ImplItem>),
}

/// A function, and what an attribute says that it is.
pub(super) struct Function {
    pub(super) role: Option<(Role, Attribute)>,
    pub(super) item: Item,
}

/// What a function is to the class.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Enter,
    Method,
    Exit,
}

impl Role {
    fn of(attribute: &Attribute) -> Option<Self> {
        let mut segments = attribute.path().segments.iter();
        let (first, second) = (segments.next()?, segments.next());
        let name = match second {
            Some(second) if first.ident == "app" => &second.ident,
            Some(_) => return None,
            None => &first.ident,
        };
        Self::ALL.into_iter().find(|role| name == role.name())
    }

    /// The role that an attribute probably means: no other attribute of a function is but a letter away from one.
    fn meant(attribute: &Attribute) -> Option<Self> {
        let name = attribute.path().get_ident()?.to_string();
        let is_near = |role: &Self| strsim::osa_distance(&name, role.name()) == 1;
        Self::ALL.into_iter().find(is_near)
    }

    const ALL: [Self; 3] = [Self::Enter, Self::Method, Self::Exit];

    fn name(self) -> &'static str {
        self.attribute().trim_matches(['#', '[', ']'])
    }

    /// As written.
    pub(super) fn attribute(self) -> &'static str {
        match self {
            Self::Enter => ENTER,
            Self::Method => METHOD,
            Self::Exit => EXIT,
        }
    }
}

impl Block {
    fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut head: Vec<_> = tokens.into_iter().collect();
        let mut members = Vec::new();
        if let Some(TokenTree::Group(body)) = head.last_mut()
            && body.delimiter() == Delimiter::Brace
        {
            let parse = |input: ParseStream<'_>| {
                let attributes = input.call(Attribute::parse_inner)?;
                while !input.is_empty() {
                    members.push(input.parse()?);
                }
                Ok(attributes)
            };
            let attributes = parse.parse2(body.stream())?;
            *body = with_content(body, |content| content.append_all(attributes));
        }
        let head = syn::parse2(head.into_iter().collect())?;
        Ok(Self { head, members })
    }

    /// The `impl` under the attribute; anything else is reported.
    pub(super) fn read(tokens: &TokenStream, errors: &mut Errors) -> Option<Self> {
        let is_impl = tokens
            .clone()
            .into_iter()
            .any(|token| matches!(&token, TokenTree::Ident(word) if word == "impl"));
        match Self::parse(tokens.clone()) {
            Ok(mut block) => {
                block.take_roles(errors);
                Some(block)
            }
            Err(error) if is_impl => {
                errors.syntax(error);
                None
            }
            Err(_) => {
                let first = tokens
                    .clone()
                    .into_iter()
                    .find(|token| matches!(token, TokenTree::Ident(_)));
                let fault = Fault::new(format!("`{ATTRIBUTE}` goes on an `impl` block"));
                let help = "put it on the `impl` that has the methods";
                errors.at(first.map(TokenStream::from), fault.help(help));
                None
            }
        }
    }

    /// Takes the attributes that name a role off the functions.
    fn take_roles(&mut self, errors: &mut Errors) {
        for member in &mut self.members {
            let Member::Function(function) = member else {
                continue;
            };
            let Function { role: found, item } = &mut **function;
            let attributes = std::mem::take(&mut item.attributes);
            for attribute in attributes {
                let meant = Role::meant(&attribute);
                if let Some(role) = meant {
                    let path = attribute.path();
                    let fault = Fault::new(format!("unknown attribute `#[{}]`", path_text(path)));
                    let help = format!("did you mean `{}`?", role.attribute());
                    errors.at(path, fault.help(help));
                }
                let Some(role) = meant.or_else(|| Role::of(&attribute)) else {
                    item.attributes.push(attribute);
                    continue;
                };
                if !matches!(attribute.meta, Meta::Path(_)) {
                    let fault = Fault::new(format!("`{}` takes nothing", role.attribute()));
                    let help = format!("the keywords of a class stand at `{ATTRIBUTE}`");
                    errors.at(&attribute.meta, fault.help(help));
                }
                if let Some((first, _)) = found {
                    let fault = Fault::new(format!(
                        "a function cannot be `{}` and `{}`",
                        first.attribute(),
                        role.attribute()
                    ));
                    errors.at(&attribute.meta, fault);
                    continue;
                }
                *found = Some((role, attribute));
            }
        }
    }
}

/// The braces of an `impl` with something else in them.
fn with_content(body: &Group, write: impl FnOnce(&mut TokenStream)) -> Group {
    let mut content = TokenStream::new();
    write(&mut content);
    let mut new = Group::new(body.delimiter(), content);
    new.set_span(body.span());
    new
}

impl Member {
    /// Whether it is a function with a role, of which a value should be handed over whose size is not known.
    pub(super) fn hands_over_unsized(&self) -> bool {
        let Self::Function(function) = self else {
            return false;
        };
        function.role.is_some() && signature::unsized_types(&function.item).next().is_some()
    }
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        if let Ok(item) = ahead.parse() {
            input.advance_to(&ahead);
            return Ok(Self::Function(Box::new(Function { role: None, item })));
        }
        Ok(Self::Other(input.parse()?))
    }
}

impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let mut head: Vec<_> = self.head.to_token_stream().into_iter().collect();
        if let Some(TokenTree::Group(body)) = head.last_mut() {
            let attributes = body.stream();
            *body = with_content(body, |content| {
                content.extend(attributes);
                content.append_all(&self.members);
            });
        }
        tokens.extend(head);
    }
}

impl ToTokens for Member {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Function(function) => function.item.to_tokens(tokens),
            Self::Other(other) => other.to_tokens(tokens),
        }
    }
}
