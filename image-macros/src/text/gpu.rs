//! GPUs: `A100`, `A100-80GB`, `H100:2`, `any`.

use crate::diag::{Fault, did_you_mean, list};

/// What can be asked for, with the GB of memory that it is sold with.
const TYPES: [(&str, &[u32]); 10] = [
    ("T4", &[16]),
    ("L4", &[24]),
    ("A10", &[24]),
    ("A10G", &[24]),
    ("L40S", &[48]),
    ("A100", &[40, 80]),
    ("H100", &[80, 94]),
    ("H200", &[141]),
    ("B200", &[180]),
    ("RTX-PRO-6000", &[96]),
];

/// Those of one type that are told apart by their memory, for the nearest name.
const WITH_MEMORY: [&str; 2] = ["A100-40GB", "A100-80GB"];

const ANY: &str = "any";

/// One alternative of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// Nothing for any.
    pub(crate) kind: Option<&'static str>,
    /// In GB, where that was said.
    pub(crate) memory: Option<u32>,
    /// How many, where that was said.
    pub(crate) count: Option<u32>,
}

/// Reads one alternative.
pub(crate) fn parse(text: &str) -> Result<Gpu, Fault> {
    let (name, count) = match text.split_once(':') {
        None => (text, None),
        Some((name, count)) => {
            (
                name,
                Some(number(count, || {
                    Fault::new(format!("{text:?} does not say how many GPUs: `{count}` is not a number from 1 to 64"))
                .help(format!("such as \"{name}:2\""))
                })?),
            )
        }
    };
    let types = || TYPES.into_iter().map(|(kind, _)| kind);
    let kind_of = |name: &str| types().find(|kind| *kind == name);
    let (kind, memory) = match name.rsplit_once('-') {
        _ if name == ANY => (None, None),
        _ if kind_of(name).is_some() => (kind_of(name), None),
        Some((kind, memory)) if kind_of(kind).is_some() => {
            let wrong = || {
                Fault::new(format!("{text:?} does not say how much memory: `{memory}`"))
                    .help(format!("a whole number of GB, such as \"{kind}-80GB\""))
            };
            let digits = memory.strip_suffix("GB").ok_or_else(wrong)?;
            let memory = digits.parse::<u32>().ok().filter(|memory| *memory > 0);
            let memory = memory.ok_or_else(wrong)?;
            check_memory(kind, memory)?;
            (kind_of(kind), Some(memory))
        }
        _ => {
            let known = types().chain(WITH_MEMORY).chain([ANY]);
            let meant = known.clone().find(|known| known.eq_ignore_ascii_case(name));
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => did_you_mean(name, "GPUs", known),
            };
            return Err(Fault::new(format!("unknown GPU `{name}`")).help(help));
        }
    };
    Ok(Gpu {
        kind,
        memory,
        count,
    })
}

/// Memory that no GPU of the type has is on no machine. What is sold differs a little from what it is called.
fn check_memory(kind: &str, memory: u32) -> Result<(), Fault> {
    let mut types = TYPES.into_iter();
    let sizes = types.find_map(|(name, sizes)| (name == kind).then_some(sizes));
    let is_near = |size: &u32| memory.abs_diff(*size) <= size / 8;
    match sizes {
        Some(sizes) if !sizes.iter().any(is_near) => {
            let names = sizes.iter().map(|size| format!("{kind}-{size}GB"));
            let fault = Fault::new(format!("no `{kind}` has {memory} GB of memory"));
            Err(fault.help(format!("known: {}", list(names))))
        }
        _ => Ok(()),
    }
}

fn number(text: &str, wrong: impl FnOnce() -> Fault) -> Result<u32, Fault> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number
        .filter(|number| (1..=64).contains(number))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        for (text, kind, memory, count) in [
            ("T4", Some("T4"), None, None),
            ("A100-80GB", Some("A100"), Some(80), None),
            ("A100-40GB:8", Some("A100"), Some(40), Some(8)),
            ("H200-141GB", Some("H200"), Some(141), None),
            ("B200-192GB", Some("B200"), Some(192), None),
            ("RTX-PRO-6000", Some("RTX-PRO-6000"), None, None),
            ("RTX-PRO-6000:2", Some("RTX-PRO-6000"), None, Some(2)),
            ("any", None, None, None),
            ("any:1", None, None, Some(1)),
        ] {
            let gpu = Gpu {
                kind,
                memory,
                count,
            };
            assert_eq!(parse(text), Ok(gpu), "{text}");
        }
    }

    #[test]
    fn anything_else_is_said_with_what_was_probably_meant() {
        for (text, says) in [
            ("a100", "did you mean `A100`?"),
            ("A1000", "did you mean `A100`?"),
            ("H-100", "did you mean `H100`?"),
            ("A100-80", "such as \"A100-80GB\""),
            ("A100-80gb", "such as \"A100-80GB\""),
            ("A100-GB", "how much memory"),
            ("A100-20GB", "known: `A100-40GB` and `A100-80GB`"),
            ("L4-20GB:2", "no `L4` has 20 GB of memory"),
            ("A100:0", "from 1 to 64"),
            ("A100:", "such as \"A100:2\""),
            ("A100:+2", "how many"),
            ("", "GPUs: `T4`"),
            ("voodoo", "GPUs: `T4`"),
            ("any-80GB", "unknown GPU"),
        ] {
            let text = parse(text).unwrap_err().text();
            assert!(text.contains(says), "{text}");
        }
    }
}
