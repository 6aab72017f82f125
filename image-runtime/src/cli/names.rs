//! Names on the command line that are none of ours.

use super::Fault;

/// How much a name must be like another one, from 0 to 1, to be taken for a slip of it. The macros say the same.
const NEAR: f64 = 0.8;

/// So many names are said at most: of those that are meant, and of all.
const MOST_MEANT: usize = 4;
const MOST_LISTED: usize = 12;

/// A name that is none of ours, with those that are.
pub(super) fn unknown(what: &str, name: &str, known: &[String]) -> Fault {
    let help = names_help(what, name, known);
    Fault::Usage(format!("no {what} is called `{name}`\n  help: {help}"))
}

/// The names that were probably meant, the most likely first; else all of them. The path before a name may be left out, whole or in part, and so
/// may the class of a method that no name without one is like.
pub(super) fn names_help(what: &str, name: &str, known: &[String]) -> String {
    let near = Some(near(name, known, "::")).filter(|near| !near.is_empty());
    let near = near.unwrap_or_else(|| self::near(name, known, "."));
    let quoted = |names: &[&String]| {
        let names = names.iter().map(|name| format!("`{name}`"));
        names.collect::<Vec<_>>().join(", ")
    };
    match near.as_slice() {
        [] if known.is_empty() => format!("this program has no {what}s"),
        [] if known.len() > MOST_LISTED => {
            let listing = match what {
                "image" => "`images` lists them",
                "function" => "`functions` lists them",
                _ => "`images` and `functions` list them",
            };
            format!("this program has {} such names: {listing}", known.len())
        }
        [] => format!(
            "this program has {}",
            quoted(&known.iter().collect::<Vec<_>>())
        ),
        [one] => format!("did you mean `{one}`?"),
        several => format!("did you mean one of {}?", quoted(several)),
    }
}

/// The names that one is like, or of which it is like an end, the most likely first.
fn near<'a>(name: &str, known: &'a [String], before: &str) -> Vec<&'a String> {
    let name = name.to_lowercase();
    let likeness = |known: &String| likeness(&name, &known.to_lowercase(), before);
    let all = known.iter().map(|known| (likeness(known), known));
    let mut near: Vec<_> = all.filter(|(likeness, _)| *likeness > NEAR).collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.truncate(MOST_MEANT);
    near.into_iter().map(|(_, known)| known).collect()
}

fn likeness(name: &str, known: &str, before: &str) -> f64 {
    let last = |name: &str| name.rsplit(before).next().map(str::to_owned);
    if last(name) == last(known) {
        return 1.0;
    }
    let ends = known.match_indices(before);
    let ends = ends.map(|(at, before)| &known[at + before.len()..]);
    ends.chain([known])
        .map(|end| strsim::jaro_winkler(name, end))
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::names_help;

    #[test]
    fn the_path_before_a_name_may_be_left_out_or_wrong() {
        let known = ["a::b::NAME", "OTHER"].map(str::to_owned);
        for meant in [
            "b::NAME",
            "NAME",
            "NMAE",
            "b::NAMED",
            "c::NAME",
            "a::b::name",
        ] {
            let help = names_help("image", meant, &known);
            assert_eq!(help, "did you mean `a::b::NAME`?", "{meant}");
        }
        for none in ["b", "SOMETHING"] {
            let help = names_help("image", none, &known);
            assert_eq!(help, "this program has `a::b::NAME`, `OTHER`", "{none}");
        }
    }

    #[test]
    fn a_method_is_found_without_its_class_and_the_most_likely_name_comes_first() {
        let known = ["Model", "Model.predict", "train", "trained"].map(str::to_owned);
        for meant in ["predict", "predikt"] {
            let help = names_help("function", meant, &known);
            assert_eq!(help, "did you mean `Model.predict`?", "{meant}");
        }
        for meant in ["model.predict", "Model.predit"] {
            let help = names_help("function", meant, &known);
            assert!(
                help.starts_with("did you mean one of `Model.predict`, "),
                "{help}"
            );
        }
        assert_eq!(
            names_help("function", "trian", &known),
            "did you mean one of `train`, `trained`?"
        );
    }

    #[test]
    fn many_names_are_not_listed() {
        let known: Vec<_> = (0..40).map(|number| format!("step_{number}")).collect();
        let help = names_help("function", "other", &known);
        assert_eq!(
            help,
            "this program has 40 such names: `functions` lists them"
        );
        let help = names_help("function", "stepp_7", &known);
        assert!(help.starts_with("did you mean one of `step_7`, "), "{help}");
        assert_eq!(help.matches('`').count(), 8, "{help}");
    }
}
