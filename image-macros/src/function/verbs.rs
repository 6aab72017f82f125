//! Writes the verbs: `remote`, `map`, `map_stream`, `starmap`, `spawn`; `stream` instead where the function makes one.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Ident, Lifetime};

use super::expand::arguments;
use super::model::{Function, Role};
use super::signature::Loan;
use crate::paths::private;

/// All verbs but `local`.
pub(crate) fn verbs(function: &Function) -> TokenStream {
    if function.signature.output.making.is_some() {
        return stream(function);
    }
    let name = &function.item.signature.ident;
    let one = remote(function);
    let inputs = Inputs::of(function);
    let each = match function.signature.parameters.len() {
        0 => "one call an input, which is `()`".to_owned(),
        1 => "one call an input".to_owned(),
        _ => "one call a tuple of arguments".to_owned(),
    };
    let map = inputs.verb(
        "map",
        &format!(
            "Calls `{name}()` for many inputs: {each}. Results come in the order of the inputs."
        ),
        function.signature.parameters.len() == 1,
        false,
    );
    let map_stream = inputs.verb(
        "map_stream",
        &format!("As `{name}::map(…)`, with inputs that come from a stream."),
        function.signature.parameters.len() == 1,
        true,
    );
    let starmap = inputs.verb(
        "starmap",
        &format!("Calls `{name}()` for many tuples of arguments. Results come in the order of the tuples."),
        false,
        false,
    );
    quote!(#one #map #map_stream #starmap)
}

fn remote(function: &Function) -> TokenStream {
    let p = private();
    let name = &function.item.signature.ident;
    let (names, declared) = arguments(function);
    let value = &function.signature.output.value;
    let Access { receiver, callee } = Access::of(function);
    let (encoded, way) = (encoded(function, &names), way(value));
    let again = match function.role {
        Role::Method { .. } => quote!(self.remote),
        _ => quote!(Self::remote),
    };
    let remote = format!(
        "Runs `{name}()` in a container of its image, once the call is awaited or `.blocking()`."
    );
    let spawn = format!(
        "Runs `{name}()` in a container of its image, beginning now, whether or not anybody waits for it."
    );
    quote! {
        #[doc = #remote]
        pub fn remote(#receiver #declared) -> #p::Call<#value> {
            #p::Call::new(#callee, #encoded, #way)
        }

        #[doc = #spawn]
        pub fn spawn(#receiver #declared) -> #p::Handle<#value> {
            #again(#(#names),*).spawn()
        }
    }
}

fn stream(function: &Function) -> TokenStream {
    let p = private();
    let name = &function.item.signature.ident;
    let (names, declared) = arguments(function);
    let value = &function.signature.output.value;
    let Access { receiver, callee } = Access::of(function);
    let (encoded, way) = (encoded(function, &names), way(value));
    let doc = format!(
        "Runs `{name}()` in a container of its image, and gives its items as they are made."
    );
    // `for`, or the compiler would refuse the function itself, and not its calls.
    quote! {
        #[doc = #doc]
        pub fn stream(#receiver #declared) -> #p::Items<#value> {
            #p::Items::new(#callee, #encoded, #way)
        }

        #[doc(hidden)]
        pub fn remote(#receiver #declared) -> #p::Call<#value>
        where
            for<'never__> Self: #p::MakesOneValue,
        {
            ::core::unreachable!()
        }
    }
}

/// Encodes arguments. Python has lists of numbers and bytes, each for what it is to serde.
pub(super) fn encoded(function: &Function, arguments: &[impl ToTokens]) -> TokenStream {
    match function.role {
        Role::Python { .. } => {
            let p = private();
            quote!({
                use #p::CannotEncode as _;
                #p::Encode(&(#(#arguments,)*)).encode(::core::option::Option::None)
            })
        }
        _ => put_and_encoded(arguments),
    }
}

/// Encodes arguments for Rust: bytes as what they are.
pub(crate) fn put_and_encoded(arguments: &[impl ToTokens]) -> TokenStream {
    let p = private();
    let bulk = Ident::new("bulk", Span::mixed_site());
    let values = Ident::new("values", Span::mixed_site());
    quote!({
        use #p::{CannotEncode as _, PutOther as _};
        let mut #bulk = ::core::option::Option::None;
        let #values = (#(#p::Put(#arguments).aside(&mut #bulk),)*);
        #p::Encode(&#values).encode(#bulk)
    })
}

/// How a value of a type is decoded.
pub(crate) fn way(ty: &TokenStream) -> TokenStream {
    let p = private();
    quote!({
        use #p::{CannotTake as _, TakeOther as _};
        #p::Take::<#ty>::new().way()
    })
}

/// How a verb finds what it calls.
struct Access {
    receiver: TokenStream,
    callee: TokenStream,
}

impl Access {
    fn of(function: &Function) -> Self {
        let p = private();
        match function.role {
            Role::Method { .. } => Self {
                receiver: quote!(&self,),
                callee: quote!(#p::Callee::method(Self::spec__(), &self.instance)),
            },
            _ => Self {
                receiver: TokenStream::new(),
                callee: quote!(Self::spec__()),
            },
        }
    }
}

/// What the verbs for many inputs have in common. A parameter that is a reference takes whatever can be lent as one.
struct Inputs<'a> {
    function: &'a Function,
    access: Access,
    value: &'a TokenStream,
    /// Type parameters, one a reference.
    generics: Vec<Ident>,
    bounds: Vec<TokenStream>,
    names: Vec<Ident>,
    types: Vec<TokenStream>,
    /// How each is handed on.
    handed: Vec<TokenStream>,
}

impl<'a> Inputs<'a> {
    fn of(function: &'a Function) -> Self {
        let mut inputs = Self {
            function,
            access: Access::of(function),
            value: &function.signature.output.value,
            generics: Vec::new(),
            bounds: Vec::new(),
            names: Vec::new(),
            types: Vec::new(),
            handed: Vec::new(),
        };
        for (index, parameter) in function.signature.parameters.iter().enumerate() {
            let name = format_ident!("input_{index}", span = Span::mixed_site());
            let (lent, handed) = match &parameter.loan {
                None => {
                    let ty = &parameter.ty;
                    inputs.types.push(quote!(#ty));
                    inputs.handed.push(quote!(#name));
                    inputs.names.push(name);
                    continue;
                }
                Some(Loan::AsRef(ty)) => (
                    quote!(::core::convert::AsRef<#ty>),
                    quote!(::core::convert::AsRef::<#ty>::as_ref(&#name)),
                ),
                Some(Loan::Borrow(ty)) => (
                    quote!(::core::borrow::Borrow<#ty>),
                    quote!(::core::borrow::Borrow::<#ty>::borrow(&#name)),
                ),
            };
            let generic = format_ident!("Input{index}__");
            inputs.bounds.push(quote!(#generic: #lent));
            inputs.types.push(quote!(#generic));
            inputs.handed.push(handed);
            inputs.names.push(name);
            inputs.generics.push(generic);
        }
        inputs
    }

    fn verb(&self, verb: &str, doc: &str, bare: bool, from_stream: bool) -> TokenStream {
        let p = private();
        let Self {
            access: Access { receiver, callee },
            value,
            generics,
            bounds,
            names,
            types,
            handed,
            ..
        } = self;
        let verb = Ident::new(verb, Span::call_site());
        let life = Lifetime::new("'inputs__", Span::call_site());
        let (pattern, item) = match bare {
            true => (quote!(#(#names)*), quote!(#(#types)*)),
            false => (quote!((#(#names,)*)), quote!((#(#types,)*))),
        };
        let encoded = encoded(self.function, handed);
        let encode = quote!(|#pattern: #item| #encoded);
        let way = way(value);
        let (source, made) = match from_stream {
            false => (
                quote!(::core::iter::IntoIterator<Item = #item, IntoIter: ::core::marker::Send + #life>),
                quote!(#p::Map::new(
                    #callee,
                    ::core::iter::Iterator::map(::core::iter::IntoIterator::into_iter(inputs), #encode),
                    #way,
                )),
            ),
            true => (
                quote!(#p::Stream<Item = #item> + ::core::marker::Send + #life),
                quote!(#p::Map::of_stream(#callee, #p::StreamExt::map(inputs, #encode), #way)),
            ),
        };
        quote! {
            #[doc = #doc]
            pub fn #verb<#life, Inputs__, #(#generics),*>(#receiver inputs: Inputs__) -> #p::Map<#life, #value>
            where
                Inputs__: #source,
                #(#bounds + #life),*
            {
                #made
            }
        }
    }
}
