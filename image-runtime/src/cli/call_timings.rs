//! `--timings` of `call`, and `IMAGE_TIMINGS`: where the time of calls went, on stderr when all is done.

use super::printer::{Printer, table};
use crate::client::{Host, Measured};

/// Set to `1`, it makes a program say where the time of its calls went.
pub(super) const VARIABLE: &str = "IMAGE_TIMINGS";

/// Prints what this process has measured, if it has.
pub(crate) fn print() {
    let Some(timings) = Host::timings() else {
        return;
    };
    let rows: Vec<_> = timings
        .measured()
        .iter()
        .map(|(function, measured)| row(function, measured))
        .collect();
    if rows.is_empty() {
        return;
    }
    let header = [
        "FUNCTION",
        "CALLS",
        "QUEUE",
        "TRANSFER",
        "RUN",
        "RETURN",
        "STARTS",
        "START",
        "HANDSHAKE",
    ];
    let text = table(header, &rows) + "medians, and the longest";
    Printer::new(false).say(&text);
}

fn row(function: &str, measured: &Measured) -> [String; 9] {
    [
        function.to_owned(),
        measured.run.len().to_string(),
        shown(&measured.queue),
        shown(&measured.transfer),
        shown(&measured.run),
        shown(&measured.back),
        measured.start.len().to_string(),
        shown(&measured.start),
        shown(&measured.handshake),
    ]
}

/// The median and the longest: `12 µs, 1.3 ms`.
fn shown(seconds: &[f32]) -> String {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f32::total_cmp);
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(longest)) => format!("{}, {}", time(*median), time(*longest)),
        _ => "–".to_owned(),
    }
}

fn time(seconds: f32) -> String {
    match seconds {
        ..0.001 => format!("{:.0} µs", seconds * 1e6),
        ..1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_by_their_median_and_the_longest() {
        let seconds = [0.002, 0.000_012, 5.25, 0.000_5, 0.000_1];
        assert_eq!(shown(&seconds), "500 µs, 5.2 s");
        assert_eq!(shown(&seconds[..1]), "2.0 ms, 2.0 ms");
        assert_eq!(shown(&[]), "–");
    }
}
