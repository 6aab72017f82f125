//! Where the time of a build went: folded from its events, shown as a table or as JSON.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::printer::table;
use crate::digest::LayerId;
use crate::event::{Event, Events, Work};
use crate::ui::format;

/// Hears how long everything takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Timings(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    /// Layers in the order in which they were begun.
    layers: Vec<Layer>,
    whole: Duration,
}

#[derive(Debug)]
struct Layer {
    id: LayerId,
    title: String,
    spent: BTreeMap<Work, Duration>,
    whole: Duration,
}

/// The report: of each layer that was built, in the order in which they were begun. Times are seconds.
#[derive(Serialize)]
pub(super) struct Report {
    layers: Vec<Row>,
    /// From the first layer's begin to the last one's end; layers of several images are built side by side.
    whole: f64,
}

#[derive(Serialize)]
struct Row {
    layer: String,
    title: String,
    whole: f64,
    waiting: f64,
    starting: f64,
    commands: f64,
    saving: f64,
    /// Downloads, unpacking and copying, which are not the work of a command.
    rest: f64,
}

impl Timings {
    /// Events that go on to others when they have been heard.
    pub(super) fn listen(&self, on: Events) -> Events {
        let timings = self.clone();
        Events::new(move |event| {
            timings.hear(&event);
            on.tell(event);
        })
    }

    fn hear(&self, event: &Event) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::LayerStarted { layer, title, .. } => heard.layers.push(Layer {
                id: *layer,
                title: title.clone(),
                spent: BTreeMap::new(),
                whole: Duration::ZERO,
            }),
            Event::LayerSpent { layer, on, elapsed } => {
                if let Some(layer) = heard.last(layer) {
                    *layer.spent.entry(*on).or_default() += *elapsed;
                }
            }
            Event::LayerFinished { layer, elapsed } | Event::LayerFailed { layer, elapsed } => {
                if let Some(layer) = heard.last(layer) {
                    layer.whole = *elapsed;
                }
            }
            Event::BuildFinished { elapsed, .. } => heard.whole += *elapsed,
            _ => {}
        }
    }

    /// What was heard.
    pub(super) fn report(&self) -> Report {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Report {
            layers: heard.layers.iter().map(Layer::row).collect(),
            whole: heard.whole.as_secs_f64(),
        }
    }
}

impl Heard {
    fn last(&mut self, id: &LayerId) -> Option<&mut Layer> {
        self.layers.iter_mut().rev().find(|layer| layer.id == *id)
    }
}

impl Layer {
    fn row(&self) -> Row {
        let spent = |work| self.spent.get(&work).copied().unwrap_or_default();
        let known: Duration = self.spent.values().sum();
        Row {
            layer: self.id.to_string(),
            title: self.title.clone(),
            whole: self.whole.as_secs_f64(),
            waiting: spent(Work::Waiting).as_secs_f64(),
            starting: spent(Work::Starting).as_secs_f64(),
            commands: spent(Work::Running).as_secs_f64(),
            saving: spent(Work::Saving).as_secs_f64(),
            rest: self.whole.saturating_sub(known).as_secs_f64(),
        }
    }
}

impl Report {
    /// A table for people, and how much of the time was not that of commands.
    pub(super) fn text(&self) -> String {
        if self.layers.is_empty() {
            return "no layer was built".to_owned();
        }
        let shown = |seconds: f64| format::duration(Duration::from_secs_f64(seconds));
        let rows: Vec<_> = self
            .layers
            .iter()
            .map(|row| {
                [
                    format::shorten(&row.title, 40),
                    shown(row.whole),
                    shown(row.waiting),
                    shown(row.starting),
                    shown(row.commands),
                    shown(row.saving),
                    shown(row.rest),
                ]
            })
            .collect();
        let header = [
            "LAYER", "WHOLE", "WAITING", "STARTING", "COMMANDS", "SAVING", "REST",
        ];
        format!("{}in all {}", table(header, &rows), shown(self.whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layers_time_is_told_by_what_it_went_to() {
        let timings = Timings::default();
        let events = timings.listen(Events::silent());
        let layer = crate::digest::Encoder::new("test").finish();
        let ms = Duration::from_millis;
        events.tell(Event::LayerStarted {
            layer,
            title: "apt_install(git, curl)".into(),
            image: "ML".into(),
        });
        for (on, elapsed) in [
            (Work::Waiting, ms(1)),
            (Work::Starting, ms(5)),
            (Work::Running, ms(800)),
            (Work::Running, ms(4000)),
            (Work::Saving, ms(30)),
        ] {
            events.tell(Event::LayerSpent { layer, on, elapsed });
        }
        let elapsed = ms(4850);
        events.tell(Event::LayerFinished { layer, elapsed });
        events.tell(Event::BuildFinished { built: 1, elapsed });
        insta::assert_snapshot!(timings.report().text(), @r"
        LAYER                   WHOLE  WAITING  STARTING  COMMANDS  SAVING  REST
        apt_install(git, curl)  4.9 s  1 ms     5 ms      4.8 s     30 ms   14 ms
        in all 4.9 s
        ");
        assert_eq!(Timings::default().report().text(), "no layer was built");
    }
}
