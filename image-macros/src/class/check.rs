//! What a class must have: one function that makes the state, methods, and at most one function that ends it.

use std::collections::HashSet;

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, ImplItem, ItemImpl, Receiver, Type};

use super::block::{Block, Member, Role};
use super::{ATTRIBUTE, ENTER, EXIT, METHOD};
use crate::diag::{Errors, Fault};
use crate::function::args::Settings;
use crate::function::model::{self, Function};
use crate::function::signature;
use crate::item::Item;
use crate::keyword::Checked;

/// A class that is right.
pub(super) struct Class {
    /// What it is called by.
    pub(super) name: String,
    pub(super) ty: Type,
    /// Whether it exists at all.
    pub(super) cfg: Vec<Attribute>,
    pub(super) enter: Function,
    pub(super) methods: Vec<Function>,
    pub(super) exit: Option<Function>,
}

/// Checks an `impl`; all that is wrong is reported.
pub(super) fn check(block: &Block, settings: Settings, errors: &mut Errors) -> Option<Class> {
    let mut found = Errors::default();
    check_head(block, &mut found);
    if block.head.trait_.is_some() {
        errors.append(found);
        return None;
    }
    let class = &*block.head.self_ty;
    let class_name = match &settings.name {
        Some((_, Checked::Text(name))) => name.value(),
        _ => name_of(class),
    };
    let (mut enter, mut methods, mut exit) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for member in &block.members {
        check_name(member, &mut found);
        let Member::Function(written) = member else {
            continue;
        };
        let item = &written.item;
        let Some((role, attribute)) = &written.role else {
            continue;
        };
        // Two of a name are an error of the compiler's, which says it once, unless they are never there together.
        let is_conditional = item.attributes_named("cfg").next().is_some();
        if !is_conditional && !seen.insert(&item.signature.ident) {
            continue;
        }
        let function = function(class, &class_name, *role, item, &mut found);
        let functions = match role {
            Role::Enter => &mut enter,
            Role::Method => &mut methods,
            Role::Exit => &mut exit,
        };
        if !functions.is_empty() && *role != Role::Method {
            let fault = Fault::new(format!("a class has one `{}` function", role.attribute()));
            found.at(&attribute.meta, fault.help("remove one of them"));
        }
        functions.push(function);
    }
    if enter.is_empty() {
        let fault = Fault::new(format!(
            "an `impl` under `{ATTRIBUTE}` needs a function that makes its state"
        ));
        found.at(
            class,
            fault.help(format!("write `{ENTER} fn new() -> Self {{ … }}`")),
        );
    }
    if methods.is_empty() {
        let fault = Fault::new(format!(
            "an `impl` under `{ATTRIBUTE}` needs a method that can be called"
        ));
        found.at(class, fault.help(format!("put `{METHOD}` on it")));
    }
    let is_right = found.is_empty();
    errors.append(found);
    let enter = enter.pop().flatten();
    let methods: Option<Vec<_>> = methods.into_iter().collect();
    let (true, Some(enter), Some(methods)) = (is_right, enter, methods) else {
        return None;
    };
    Some(Class {
        name: class_name,
        ty: class.clone(),
        cfg: block
            .head
            .attrs
            .iter()
            .filter(|a| a.path().is_ident("cfg"))
            .cloned()
            .collect(),
        enter: Function { settings, ..enter },
        methods,
        exit: exit.pop().flatten(),
    })
}

/// Reports what has the name of what the expansion adds.
fn check_name(member: &Member, errors: &mut Errors) {
    let name = match member {
        Member::Function(function) => &function.item.signature.ident,
        Member::Other(item) => match &**item {
            ImplItem::Const(item) => &item.ident,
            _ => return,
        },
    };
    if name.unraw() == "handle" {
        let fault = Fault::new(format!("`{ATTRIBUTE}` adds a function `handle` itself"));
        errors.at(name, fault.help("give this one another name"));
    }
}

fn check_head(block: &Block, errors: &mut Errors) {
    let ItemImpl {
        generics,
        trait_,
        self_ty,
        ..
    } = &block.head;
    if let Some((_, of_trait, _)) = trait_ {
        let fault = Fault::new(format!(
            "`{ATTRIBUTE}` does not go on the `impl` of a trait"
        ));
        let help = "put the methods that can be called into an `impl` of the type itself";
        errors.at(of_trait, fault.help(help));
    }
    if !generics.params.is_empty() {
        let fault = Fault::new(format!("an `impl` under `{ATTRIBUTE}` cannot be generic"));
        let help = "a container must know what it makes: write `impl` for one type";
        errors.at(&generics.params, fault.help(help));
    }
    if !matches!(&**self_ty, Type::Path(path) if path.qself.is_none()) {
        let fault = Fault::new(format!(
            "an `impl` under `{ATTRIBUTE}` must be one of a named type"
        ));
        errors.at(self_ty, fault);
    }
}

/// What a type is called, without its path.
pub(super) fn name_of(class: &Type) -> String {
    match class {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map(|last| last.ident.unraw().to_string()),
        _ => None,
    }
    .unwrap_or_default()
}

/// A function with a role, as one that can be called from outside: without `self`, and `Self` by its name.
fn function(
    class: &Type,
    class_name: &str,
    role: Role,
    item: &Item,
    errors: &mut Errors,
) -> Option<Function> {
    let attribute = role.attribute();
    let mut item = item.clone();
    let mut is_mut = false;
    if role != Role::Enter {
        is_mut = take_receiver(attribute, &mut item, errors)?;
    }
    item.signature =
        syn::parse2(named(item.signature.to_token_stream(), class)).unwrap_or(item.signature);
    if item.body.is_none() {
        let fault = Fault::new(format!("a function under `{attribute}` needs a body"));
        errors.at(&item.signature.ident, fault);
    }
    let signature = signature::check(attribute, &item, errors)?;
    let value = signature.output.value.to_string();
    let is_stream = signature.output.making.is_some();
    if role == Role::Enter && (is_stream || !returns(&signature, class)) {
        let fault = Fault::new(format!("a function under `{ENTER}` makes the state"));
        errors.at(
            &item.signature,
            fault.help("return `Self`, or `Result<Self, E>`"),
        );
        return None;
    }
    if role == Role::Exit && (is_stream || value != quote!(()).to_string()) {
        let fault = Fault::new(format!(
            "nobody hears what a function under `{EXIT}` returns"
        ));
        errors.at(
            &item.signature.output,
            fault.help("return nothing, or `Result<(), E>`"),
        );
        return None;
    }
    if role == Role::Exit && !signature.parameters.is_empty() {
        let fault = Fault::new(format!("a function under `{EXIT}` takes `&mut self` only"));
        errors.at(
            &item.signature.inputs,
            fault.help("keep what it needs in the state"),
        );
        return None;
    }
    let name = format!("{class_name}.{}", item.signature.ident.unraw());
    let class = class.clone();
    Some(Function {
        item,
        signature,
        name,
        settings: Settings::default(),
        role: match role {
            Role::Enter => model::Role::Enter { class },
            Role::Method | Role::Exit => model::Role::Method { class, is_mut },
        },
    })
}

/// Whether what is made is the class, as far as the written type tells: an alias need not.
fn returns(signature: &signature::Signature, class: &Type) -> bool {
    let value = signature.output.value.to_string();
    value == quote!(#class).to_string() || value.contains("ResultType")
}

/// Takes `&self` or `&mut self` off; answers which it was.
fn take_receiver(attribute: &str, item: &mut Item, errors: &mut Errors) -> Option<bool> {
    let help = "it runs with the state of its container: take `&self` or `&mut self`";
    let inputs = std::mem::take(&mut item.signature.inputs);
    let mut inputs = inputs.into_iter();
    match inputs.next() {
        Some(FnArg::Receiver(receiver)) => {
            let is_mut = lent_mut(&receiver);
            if is_mut.is_none() {
                let fault = Fault::new(format!(
                    "a function under `{attribute}` cannot take the state away"
                ));
                errors.at(receiver, fault.help("take `&self` or `&mut self`"));
            }
            item.signature.inputs = inputs.collect();
            is_mut
        }
        other => {
            let fault = Fault::new(format!(
                "a function under `{attribute}` must take the state"
            ));
            let first = other.map_or(item.signature.ident.span(), |first| first.span());
            errors.at_span(first, fault.help(help));
            None
        }
    }
}

/// Of a state that is lent, whether it can be changed. `self: &Self` is `&self`.
fn lent_mut(receiver: &Receiver) -> Option<bool> {
    match &*receiver.ty {
        Type::Reference(lent) if matches!(&*lent.elem, Type::Path(ty) if ty.path.is_ident("Self")) => {
            Some(lent.mutability.is_some())
        }
        _ => None,
    }
}

/// `Self` by the name of the type, at any depth.
fn named(tokens: TokenStream, class: &Type) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(word) if word == "Self" => {
                let mut class = class.to_token_stream();
                class = class
                    .into_iter()
                    .map(|mut token| {
                        token.set_span(word.span());
                        token
                    })
                    .collect();
                class
            }
            TokenTree::Group(group) => {
                let mut new = Group::new(group.delimiter(), named(group.stream(), class));
                new.set_span(group.span());
                TokenTree::from(new).into()
            }
            other => other.into(),
        })
        .collect()
}
