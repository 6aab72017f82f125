//! Writes a Dockerfile as const data of `image-runtime`'s `spec::dockerfile`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::model::{
    CommandLine, Copy, Dockerfile, Healthcheck, Instruction, Kind, Mount, MountKind, Run, Source,
    Stage,
};
use super::words::{Otherwise, Piece, Variable, Word};
use crate::paths::private;

impl Dockerfile {
    /// The data.
    pub(crate) fn tokens(&self) -> TokenStream {
        let p = private();
        let file = option(self.file.as_ref().map(|file| quote!(#file)));
        let stages = self.stages.iter().map(stage);
        let target = self.target;
        let tracked = self.file.as_deref().map(tracked);
        quote!({
            #tracked
            #p::dockerfile::Dockerfile { file: #file, stages: &[#(#stages),*], target: #target }
        })
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn slice(items: impl IntoIterator<Item = TokenStream>) -> TokenStream {
    let items = items.into_iter();
    quote!(&[#(#items),*])
}

fn stage(stage: &Stage) -> TokenStream {
    let p = private();
    let base = source(&stage.base);
    let instructions = slice(stage.instructions.iter().map(instruction));
    quote!(#p::dockerfile::Stage { base: #base, instructions: #instructions })
}

fn source(source: &Source) -> TokenStream {
    let p = private();
    match source {
        Source::Nothing => quote!(#p::dockerfile::Source::Nothing),
        Source::Context => quote!(#p::dockerfile::Source::Context),
        Source::Stage(index) => quote!(#p::dockerfile::Source::Stage(#index)),
        Source::Image(reference) => quote!(#p::dockerfile::Source::Image(#reference)),
    }
}

fn instruction(instruction: &Instruction) -> TokenStream {
    let p = private();
    let Instruction { line, text, kind } = instruction;
    let kind = self::kind(kind);
    quote!(#p::dockerfile::Instruction { line: #line, text: #text, kind: #p::dockerfile::Kind::#kind })
}

fn kind(kind: &Kind) -> TokenStream {
    let p = private();
    let pair = |a: TokenStream, b: TokenStream| quote!((#a, #b));
    match kind {
        Kind::Run(run, mounts) => {
            let mounts = slice(mounts.iter().map(mount));
            let run = match run {
                Run::Command(command) => {
                    let command = command_line(command);
                    quote!(Command(#command))
                }
                Run::Script(text) => quote!(Script(#text)),
            };
            quote!(Run(#p::dockerfile::Run::#run, #mounts))
        }
        Kind::Copy(copy) => {
            let copy = self::copy(copy);
            quote!(Copy(#copy))
        }
        Kind::Env(variables) => {
            let pairs = slice(
                variables
                    .iter()
                    .map(|(name, value)| pair(quote!(#name), word(value))),
            );
            quote!(Env(#pairs))
        }
        Kind::Arg(arguments) => {
            let pairs = arguments
                .iter()
                .map(|(name, value)| pair(quote!(#name), option(value.as_ref().map(word))));
            let pairs = slice(pairs);
            quote!(Arg(#pairs))
        }
        Kind::Label(labels) => {
            let pairs = slice(
                labels
                    .iter()
                    .map(|(name, value)| pair(word(name), word(value))),
            );
            quote!(Label(#pairs))
        }
        Kind::Workdir(path) => variant(quote!(Workdir), word(path)),
        Kind::User(user) => variant(quote!(User), word(user)),
        Kind::StopSignal(signal) => variant(quote!(StopSignal), word(signal)),
        Kind::Shell(argv) => variant(quote!(Shell), quote!(&[#(#argv),*])),
        Kind::Entrypoint(line) => variant(quote!(Entrypoint), command_line(line)),
        Kind::Cmd(line) => variant(quote!(Cmd), command_line(line)),
        Kind::Expose(ports) => variant(quote!(Expose), slice(ports.iter().map(word))),
        Kind::Volume(paths) => variant(quote!(Volume), slice(paths.iter().map(word))),
        Kind::Healthcheck(check) => variant(quote!(Healthcheck), healthcheck(check)),
    }
}

fn mount(mount: &Mount) -> TokenStream {
    let p = private();
    let Mount { env, is_set, .. } = mount;
    let kind = match &mount.kind {
        MountKind::Bind(from) => variant(quote!(Bind), source(from)),
        MountKind::Cache => quote!(Cache),
        MountKind::Secret => quote!(Secret),
        MountKind::Tmpfs => quote!(Tmpfs),
    };
    let (target, name) = (word(&mount.target), word(&mount.name));
    quote!(#p::dockerfile::Mount {
        kind: #p::dockerfile::MountKind::#kind, target: #target, name: #name, env: #env, is_set: #is_set
    })
}

fn variant(name: TokenStream, value: TokenStream) -> TokenStream {
    quote!(#name(#value))
}

fn command_line(line: &CommandLine) -> TokenStream {
    let p = private();
    match line {
        CommandLine::Shell(line) => quote!(#p::dockerfile::CommandLine::Shell(#line)),
        CommandLine::Exec(argv) => quote!(#p::dockerfile::CommandLine::Exec(&[#(#argv),*])),
    }
}

fn copy(copy: &Copy) -> TokenStream {
    let p = private();
    let Copy { add, .. } = copy;
    let from = source(&copy.from);
    let sources = slice(copy.sources.iter().map(word));
    let documents = copy.documents.iter().map(|(name, content)| {
        let content = word(content);
        quote!((#name, #content))
    });
    let documents = slice(documents);
    let target = word(&copy.target);
    let chown = option(copy.chown.as_ref().map(word));
    let chmod = option(copy.chmod.as_ref().map(word));
    let checksum = option(copy.checksum.as_ref().map(word));
    quote!(#p::dockerfile::Copy {
        add: #add, from: #from, sources: #sources, documents: #documents, target: #target, chown: #chown, chmod: #chmod,
        checksum: #checksum
    })
}

fn healthcheck(check: &Healthcheck) -> TokenStream {
    let p = private();
    let Healthcheck {
        interval,
        timeout,
        start_period,
        retries,
        ..
    } = check;
    let test = option(check.test.as_ref().map(command_line));
    quote!(#p::dockerfile::Healthcheck {
        test: #test, interval: #interval, timeout: #timeout, start_period: #start_period, retries: #retries
    })
}

fn word(word: &Word) -> TokenStream {
    slice(word.iter().map(piece))
}

fn piece(piece: &Piece) -> TokenStream {
    let p = private();
    match piece {
        Piece::Text(text) => quote!(#p::dockerfile::Piece::Text(#text)),
        Piece::Variable(variable) => {
            let Variable {
                name,
                otherwise,
                empty_is_unset,
            } = variable;
            let otherwise = match otherwise {
                Otherwise::Nothing => quote!(Nothing),
                Otherwise::Default(word) => variant(quote!(Default), self::word(word)),
                Otherwise::Alternative(word) => variant(quote!(Alternative), self::word(word)),
                Otherwise::Required(word) => variant(quote!(Required), self::word(word)),
            };
            quote!(#p::dockerfile::Piece::Variable {
                name: #name, otherwise: #p::dockerfile::Otherwise::#otherwise, empty_is_unset: #empty_is_unset
            })
        }
    }
}

/// Makes the compiler read the file, too: editing it compiles again.
fn tracked(path: &str) -> TokenStream {
    let path = match std::path::Path::new(path).is_absolute() {
        true => path.to_token_stream(),
        false => quote!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #path)),
    };
    quote!(
        const _: &[::core::primitive::u8] = ::core::include_bytes!(#path);
    )
}
