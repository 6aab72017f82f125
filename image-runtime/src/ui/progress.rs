//! On a terminal: one line for each running layer at the bottom, and above them the lines that are kept.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::format;
use super::state::{Layer, Line, Matter, State};
use crate::digest::LayerId;

/// How often a running layer's line is drawn anew although nothing was heard of it.
const TICK: Duration = Duration::from_millis(100);
/// So much of a long title is drawn, to leave room for what is being done.
const TITLE: usize = 48;

/// The lines of running layers.
pub(super) struct Progress {
    /// Where kept lines go: onto what the bars are drawn on.
    output: Box<dyn Write + Send>,
    drawn: MultiProgress,
    bars: HashMap<LayerId, ProgressBar>,
}

impl Progress {
    pub(super) fn new(output: Box<dyn Write + Send>, target: ProgressDrawTarget) -> Self {
        Self {
            output,
            drawn: MultiProgress::with_draw_target(target),
            bars: HashMap::new(),
        }
    }

    /// Shows what an event about `layer` has changed, and the line that tells of it.
    pub(super) fn show(&mut self, state: &State, layer: Option<&LayerId>, line: Option<&Line>) {
        if let Some(id) = layer {
            match state.layer(id) {
                Some(layer) => self.bar(id, layer).set_message(layer.doing.words()),
                None => self.remove(id),
            }
        }
        // What begins and what it prints is drawn; what is complete is kept.
        if let Some(line) = line.filter(|line| line.matter >= Matter::Done) {
            let text = format!("{}\n", line.text);
            // Nobody may be looking any more: no reason to stop working.
            let _ = self
                .drawn
                .suspend(|| self.output.write_all(text.as_bytes()));
        }
    }

    /// Draws nothing any more until the next event.
    pub(super) fn clear(&mut self) {
        for id in self.bars.keys().copied().collect::<Vec<_>>() {
            self.remove(&id);
        }
    }

    fn bar(&mut self, id: &LayerId, layer: &Layer) -> &ProgressBar {
        self.bars.entry(*id).or_insert_with(|| {
            let bar = self.drawn.add(ProgressBar::no_length());
            bar.set_style(style());
            bar.set_prefix(format!(
                "{} {}",
                layer.tag,
                format::shorten(&layer.title, TITLE)
            ));
            bar.enable_steady_tick(TICK);
            bar
        })
    }

    fn remove(&mut self, id: &LayerId) {
        if let Some(bar) = self.bars.remove(id) {
            bar.finish_and_clear();
            self.drawn.remove(&bar);
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {prefix} {took}{wide_msg:.dim}")
        .expect("the template is well formed")
        .with_key(
            "took",
            |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                let seconds = state.elapsed().as_secs();
                if seconds > 0 {
                    // Writing to a text cannot fail.
                    let _ = write!(text, "{} ", format::seconds(seconds));
                }
            },
        )
}
