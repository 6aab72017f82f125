//! What a function says: its head and its body as text, in which spaces, comments, attributes and docs do not count.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens as _;

use crate::item::Item;

/// The text of a function.
pub(super) fn of(item: &Item) -> String {
    let mut text = String::new();
    push(item.signature.to_token_stream(), &mut text);
    push(item.body.to_token_stream(), &mut text);
    text
}

fn push(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("( ", ") "),
                    Delimiter::Brace => ("{ ", "} "),
                    Delimiter::Bracket => ("[ ", "] "),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                push(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(mark) => {
                text.push(mark.as_char());
                // `a && b` is not `a & &b`.
                if mark.spacing() == Spacing::Alone {
                    text.push(' ');
                }
            }
            word => {
                text.push_str(&word.to_string());
                text.push(' ');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn spaces_comments_and_attributes_do_not_count() {
        let of = |text: &str| super::of(&syn::parse_str(text).unwrap());
        let one =
            of("/// Docs.\n#[inline] pub fn f() -> u8 { let a = g(1, \"x y\"); /* why */ a+1 }");
        let two = of("fn f()->u8{let a=g( 1,\"x y\") ;a + 1}");
        assert_eq!(one, two);
        assert_ne!(one, of("fn f()->u8{let a=g( 1,\"x  y\") ;a + 1}"));
        assert_ne!(of("fn f() { a && b }"), of("fn f() { a & &b }"));
        assert_ne!(one, of("fn f()->u8{let a=g( 2,\"x y\") ;a + 1}"));
    }
}
