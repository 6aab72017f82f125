//! An `impl` under `#[app::cls]`: the functions with a role taken out, everything else as it was written.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, ImplItem, Meta, Path, Token, Type, WhereClause, braced};

use super::{ATTRIBUTE, ENTER, EXIT, METHOD};
use crate::diag::{Errors, Fault};
use crate::item::Item;

/// An `impl` as written.
pub(super) struct Block {
    pub(super) attributes: Vec<Attribute>,
    unsafety: Option<Token![unsafe]>,
    implementation: Token![impl],
    pub(super) generics: Generics,
    /// The trait that is implemented.
    pub(super) of_trait: Option<(Type, Token![for])>,
    pub(super) class: Type,
    clause: Option<WhereClause>,
    pub(super) members: Vec<Member>,
}

/// What stands in it.
pub(super) enum Member {
    Function(Box<Function>),
    Other(TokenStream),
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
        [Self::Enter, Self::Method, Self::Exit]
            .into_iter()
            .find(|role| name == role.attribute().trim_matches(['#', '[', ']']))
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
    /// The `impl` under the attribute; anything else is reported.
    pub(super) fn read(tokens: &TokenStream, errors: &mut Errors) -> Option<Self> {
        let is_impl = tokens
            .clone()
            .into_iter()
            .any(|token| matches!(&token, proc_macro2::TokenTree::Ident(word) if word == "impl"));
        match syn::parse2::<Self>(tokens.clone()) {
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
                    .find(|token| matches!(token, proc_macro2::TokenTree::Ident(_)));
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
                let Some(role) = Role::of(&attribute) else {
                    item.attributes.push(attribute);
                    continue;
                };
                if !matches!(attribute.meta, Meta::Path(Path { .. })) {
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

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let unsafety = input.parse()?;
        let implementation = input.parse()?;
        let generics = input.parse()?;
        let mut class = input.parse()?;
        let mut of_trait = None;
        if input.peek(Token![for]) {
            of_trait = Some((class, input.parse()?));
            class = input.parse()?;
        }
        let clause = input.parse()?;
        let content;
        braced!(content in input);
        let mut members = Vec::new();
        while !content.is_empty() {
            members.push(content.parse()?);
        }
        Ok(Self {
            attributes,
            unsafety,
            implementation,
            generics,
            of_trait,
            class,
            clause,
            members,
        })
    }
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        if let Ok(item) = ahead.parse() {
            input.advance_to(&ahead);
            return Ok(Self::Function(Box::new(Function { role: None, item })));
        }
        let item: ImplItem = input.parse()?;
        Ok(Self::Other(item.into_token_stream()))
    }
}

impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attributes,
            unsafety,
            implementation,
            generics,
            of_trait,
            class,
            clause,
            members,
        } = self;
        let of_trait = of_trait.as_ref().map(|(path, word)| quote!(#path #word));
        let members = members.iter().map(|member| match member {
            Member::Function(function) => function.item.to_token_stream(),
            Member::Other(other) => quote!(#other),
        });
        tokens.extend(quote! {
            #(#attributes)*
            #unsafety #implementation #generics #of_trait #class #clause { #(#members)* }
        });
    }
}
