//! What people see of a few builds and calls, without a terminal.

use std::time::Duration;

use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike as _};

use super::*;
use crate::digest::{Digest, LayerId};

fn layer(number: u8) -> LayerId {
    Digest::of(&[number])
}

fn started(number: u8, title: &str) -> Event {
    Event::LayerStarted {
        layer: layer(number),
        title: title.into(),
        image: "ML".into(),
    }
}

fn output(number: u8, line: &str) -> Event {
    Event::LayerOutput {
        layer: layer(number),
        line: line.into(),
    }
}

fn progress(number: u8, done: u64, total: u64) -> Event {
    Event::LayerProgress {
        layer: layer(number),
        activity: "downloading packages",
        done,
        total,
    }
}

fn finished(number: u8, milliseconds: u64) -> Event {
    Event::LayerFinished {
        layer: layer(number),
        elapsed: Duration::from_millis(milliseconds),
    }
}

fn function_output(line: &str) -> Event {
    Event::FunctionOutput {
        function: "train",
        container: "3f2a1b".into(),
        line: line.into(),
    }
}

/// A build of two layers at the same time, one of which fails, and what else may happen.
fn failed_build() -> Vec<Event> {
    vec![
        Event::BuildStarted { layers: 3 },
        Event::Notice {
            text: "no registry answers: the base comes from the Debian archive".into(),
        },
        started(1, "debian_slim()"),
        progress(1, 0, 45_600_000),
        progress(1, 12_300_000, 45_600_000),
        finished(1, 8_120),
        started(2, "apt_install(git, curl)"),
        started(3, "pip_install(numpy)"),
        Event::LayerWaiting {
            layer: layer(3),
            here: false,
        },
        output(2, "\u{1b}[32mReading package lists...\u{1b}[0m"),
        output(2, "E: Unable to locate package git"),
        Event::LayerFailed {
            layer: layer(2),
            elapsed: Duration::from_millis(340),
        },
        finished(3, 65_000),
        Event::BuildFailed,
        function_output("loss 0.1"),
    ]
}

/// Bytes that can be looked at while the face writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn plain(least: Matter, events: Vec<Event>) -> String {
    let written = Written::default();
    let ui = Ui::with_face(Face::Plain(Plain::new(Box::new(written.clone()), least)));
    events.into_iter().for_each(|event| ui.events().tell(event));
    String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}

/// The screen as something to write lines to.
struct Lines(InMemoryTerm);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = std::str::from_utf8(bytes).unwrap();
        self.0.write_str(&text.replace('\n', "\r\n"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn terminal() -> (InMemoryTerm, Ui) {
    let screen = InMemoryTerm::new(20, 100);
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let progress = Progress::new(Box::new(Lines(screen.clone())), target);
    (screen, Ui::with_face(Face::Progress(progress)))
}

#[test]
fn plain_lines_tell_all() {
    insta::assert_snapshot!(plain(Matter::Detail, failed_build()), @r"
    note: no registry answers: the base comes from the Debian archive
    [ML 1/3] debian_slim() …
    [ML 1/3] downloading packages …
    [ML 1/3] debian_slim() 8.1 s
    [ML 2/3] apt_install(git, curl) …
    [ML 3/3] pip_install(numpy) …
    [ML 3/3] waiting for another process that builds it
    [ML 2/3] │ Reading package lists...
    [ML 2/3] │ E: Unable to locate package git
    [ML 2/3] apt_install(git, curl) failed after 340 ms
    [ML 3/3] pip_install(numpy) 1 min 5 s
    train/3f2a1b │ loss 0.1
    ");
}

#[test]
fn a_layer_that_waits_for_another_image_is_told_so() {
    let waiting = Event::LayerWaiting {
        layer: layer(2),
        here: true,
    };
    let events = vec![started(2, "apt_install(git)"), waiting];
    insta::assert_snapshot!(plain(Matter::Step, events), @r"
    [ML 1/1] apt_install(git) …
    [ML 1/1] waiting for another image that has it built
    ");
}

#[test]
fn a_test_is_told_of_steps_and_not_of_their_output() {
    insta::assert_snapshot!(plain(Matter::Step, failed_build()), @r"
    note: no registry answers: the base comes from the Debian archive
    [ML 1/3] debian_slim() …
    [ML 1/3] debian_slim() 8.1 s
    [ML 2/3] apt_install(git, curl) …
    [ML 3/3] pip_install(numpy) …
    [ML 3/3] waiting for another process that builds it
    [ML 2/3] apt_install(git, curl) failed after 340 ms
    [ML 3/3] pip_install(numpy) 1 min 5 s
    train/3f2a1b │ loss 0.1
    ");
}

#[test]
fn quiet_leaves_what_the_user_must_see() {
    insta::assert_snapshot!(plain(Matter::Notice, failed_build()), @r"
    note: no registry answers: the base comes from the Debian archive
    train/3f2a1b │ loss 0.1
    ");
}

#[test]
fn a_build_that_has_nothing_to_do_shows_nothing() {
    let nothing = || {
        vec![
            Event::BuildStarted { layers: 0 },
            Event::BuildFinished {
                built: 0,
                elapsed: Duration::from_millis(3),
            },
        ]
    };
    assert_eq!(plain(Matter::Detail, nothing()), "");
    let (screen, ui) = terminal();
    nothing()
        .into_iter()
        .for_each(|event| ui.events().tell(event));
    assert_eq!(screen.contents(), "");
}

#[test]
fn the_number_of_layers_begins_anew_with_each_build() {
    let build = |number| {
        vec![
            Event::BuildStarted { layers: 1 },
            started(number, "step"),
            finished(number, 10),
            Event::BuildFinished {
                built: 1,
                elapsed: Duration::from_millis(12),
            },
        ]
    };
    insta::assert_snapshot!(plain(Matter::Done, [build(1), build(2)].concat()), @r"
    [ML 1/1] step 10 ms
    built 1 layer in 12 ms
    [ML 1/1] step 10 ms
    built 1 layer in 12 ms
    ");
}

#[test]
fn a_terminal_shows_what_runs_below_what_is_complete() {
    let (screen, ui) = terminal();
    let events = ui.events();
    let mut all = failed_build();
    let rest = all.split_off(11);
    all.into_iter().for_each(|event| events.tell(event));
    let running = screen.contents();
    let lines: Vec<_> = running.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "note: no registry answers: the base comes from the Debian archive",
            "[ML 1/3] debian_slim() 8.1 s"
        ],
    );
    assert!(
        lines[2].contains("[ML 2/3] apt_install(git, curl) E: Unable to locate package git"),
        "{running}"
    );
    assert!(
        lines[3].contains("[ML 3/3] pip_install(numpy) waiting for another process"),
        "{running}"
    );
    assert_eq!(lines.len(), 4, "{running}");

    rest.into_iter().for_each(|event| events.tell(event));
    insta::assert_snapshot!(screen.contents(), @r"
    note: no registry answers: the base comes from the Debian archive
    [ML 1/3] debian_slim() 8.1 s
    [ML 2/3] apt_install(git, curl) failed after 340 ms
    [ML 3/3] pip_install(numpy) 1 min 5 s
    train/3f2a1b │ loss 0.1
    ");
}

#[test]
fn a_terminal_shows_how_far_a_download_is() {
    let (screen, ui) = terminal();
    for event in [
        started(1, "debian_slim()"),
        progress(1, 12_300_000, 45_600_000),
    ] {
        ui.events().tell(event);
    }
    let text = screen.contents();
    assert!(
        text.contains("downloading packages 12.3 MB of 45.6 MB"),
        "{text}"
    );
}

#[test]
fn clearing_leaves_no_running_line_on_the_terminal() {
    let (screen, ui) = terminal();
    ui.events().tell(started(1, "first"));
    ui.events().tell(started(2, "second"));
    assert!(screen.contents().contains("second"));
    ui.clear();
    assert_eq!(screen.contents(), "");
}

#[test]
fn a_long_title_leaves_room_for_what_is_being_done() {
    let (screen, ui) = terminal();
    ui.events().tell(started(
        1,
        &format!("apt_install({})", "package, ".repeat(40)),
    ));
    ui.events().tell(output(1, &"unpacking ".repeat(40)));
    let text = screen.contents();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("… unpacking unpacking"), "{text}");
}

#[test]
fn events_about_unknown_layers_are_passed_over() {
    assert_eq!(
        plain(
            Matter::Detail,
            vec![output(9, "x"), finished(9, 1), progress(9, 1, 2)]
        ),
        ""
    );
}

#[test]
fn a_reader_that_went_away_stops_nothing() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let ui = Ui::with_face(Face::Plain(Plain::new(Box::new(Closed), Matter::Detail)));
    failed_build()
        .into_iter()
        .for_each(|event| ui.events().tell(event));
}
