//! What is going on, folded from events, and the lines that tell of it. Pure: prints nothing, reads no clock.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::format;
use crate::digest::LayerId;
use crate::event::Event;

/// How much a line matters. Later ones matter more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    /// What a step prints, and what it is doing.
    Detail,
    /// A step begins or waits.
    Step,
    /// A step or a build is complete.
    Done,
    /// What the user should see in any case.
    Notice,
}

/// One line for people, to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) matter: Matter,
    pub(super) text: String,
}

/// A layer that is being built.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// `[ML 2/4]`
    pub(super) tag: String,
    /// `apt_install(git, curl)`
    pub(super) title: String,
    /// What was last heard of it.
    pub(super) doing: Doing,
}

/// What was last heard of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Nothing yet.
    Beginning,
    /// It printed a line.
    Output(String),
    /// A part of the work, with bytes done and bytes in all.
    Progress(&'static str, u64, u64),
    /// This process builds it for another image, or another process does.
    Waiting { here: bool },
    /// It is not begun, but what it needs is being downloaded.
    Ahead,
}

/// What is going on.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Builds that run, and the layers that they have and have begun.
    builds: usize,
    layers: usize,
    begun: usize,
    running: HashMap<LayerId, Layer>,
}

impl State {
    /// A layer that is being built.
    pub(super) fn layer(&self, id: &LayerId) -> Option<&Layer> {
        self.running.get(id)
    }

    /// Takes an event in; answers the line that tells of it, if there is one.
    pub(super) fn fold(&mut self, event: Event) -> Option<Line> {
        let line = |matter, text| Some(Line { matter, text });
        match event {
            Event::BuildStarted { layers } => {
                self.builds += 1;
                self.layers += layers;
                None
            }
            Event::LayerStarted {
                layer,
                title,
                image,
            } => {
                self.begun += 1;
                let tag = format!("[{image} {}/{}]", self.begun, self.layers.max(self.begun));
                let text = format!("{tag} {title} …");
                self.running.insert(
                    layer,
                    Layer {
                        tag,
                        title,
                        doing: Doing::Beginning,
                    },
                );
                line(Matter::Step, text)
            }
            Event::FetchStarted {
                layer,
                title,
                image,
            } => {
                let tag = format!("[{image}]");
                let text = format!("{tag} {title}: {AHEAD} …");
                self.running.entry(layer).or_insert(Layer {
                    tag,
                    title,
                    doing: Doing::Ahead,
                });
                line(Matter::Detail, text)
            }
            Event::FetchEnded { layer, is_there } => {
                let Entry::Occupied(entry) = self.running.entry(layer) else {
                    return None;
                };
                if entry.get().doing != Doing::Ahead {
                    return None;
                }
                let Layer { tag, title, .. } = entry.remove();
                let text = format!("{tag} {title}: downloaded");
                line(Matter::Detail, text).filter(|_| is_there)
            }
            Event::LayerProgress {
                layer,
                activity,
                done,
                total,
            } => {
                let layer = self.running.get_mut(&layer)?;
                let told = matches!(layer.doing, Doing::Progress(before, ..) if before == activity);
                layer.doing = Doing::Progress(activity, done, total);
                let text = format!("{} {activity} …", layer.tag);
                line(Matter::Detail, text).filter(|_| !told)
            }
            Event::LayerOutput {
                layer,
                line: output,
            } => {
                let layer = self.running.get_mut(&layer)?;
                let output = format::visible(&output);
                let text = format!("{} │ {output}", layer.tag);
                // An empty line between others is no news of what is being done.
                if !output.trim().is_empty() {
                    layer.doing = Doing::Output(output);
                }
                line(Matter::Detail, text)
            }
            Event::LayerWaiting { layer, here } => {
                let layer = self.running.get_mut(&layer)?;
                layer.doing = Doing::Waiting { here };
                line(
                    Matter::Step,
                    format!("{} {}", layer.tag, layer.doing.words()),
                )
            }
            Event::Begun | Event::LayerSpent { .. } => None,
            Event::LayerFinished { layer, elapsed } => {
                let Layer { tag, title, .. } = self.running.remove(&layer)?;
                line(
                    Matter::Done,
                    format!("{tag} {title} {}", format::duration(elapsed)),
                )
            }
            Event::LayerFailed { layer, elapsed } => {
                let Layer { tag, title, .. } = self.running.remove(&layer)?;
                let elapsed = format::duration(elapsed);
                line(
                    Matter::Done,
                    format!("{tag} {title} failed after {elapsed}"),
                )
            }
            Event::BuildFinished { built, elapsed } => {
                self.end_build();
                let layers = if built == 1 { "layer" } else { "layers" };
                let text = format!("built {built} {layers} in {}", format::duration(elapsed));
                line(Matter::Done, text).filter(|_| built > 0)
            }
            Event::BuildFailed => {
                self.end_build();
                None
            }
            Event::Notice { text } => line(Matter::Notice, format!("note: {text}")),
            Event::FunctionOutput {
                function,
                container,
                line: output,
            } => line(Matter::Notice, format!("{function}/{container} │ {output}")),
        }
    }

    fn end_build(&mut self) {
        self.builds = self.builds.saturating_sub(1);
        if self.builds == 0 {
            *self = Self::default();
        }
    }
}

/// What is said of a layer whose downloads go on while one below is built.
const AHEAD: &str = "downloading ahead";

impl Doing {
    /// In a few words, for the line that is drawn of a running layer.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Beginning => String::new(),
            Self::Output(line) => line.clone(),
            Self::Progress(activity, 0, 0) => (*activity).to_owned(),
            Self::Progress(activity, done, 0) => format!("{activity} {}", format::size(*done)),
            Self::Progress(activity, done, total) => {
                format!(
                    "{activity} {} of {}",
                    format::size(*done),
                    format::size(*total)
                )
            }
            Self::Waiting { here: true } => {
                "waiting for another image that has it built".to_owned()
            }
            Self::Waiting { here: false } => {
                "waiting for another process that builds it".to_owned()
            }
            Self::Ahead => AHEAD.to_owned(),
        }
    }
}
