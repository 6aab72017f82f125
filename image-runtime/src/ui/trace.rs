//! `RUST_LOG`: prints spans and events of `tracing` where the program has nobody else who takes them. A span is printed when it ends, with how
//! long it took.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use tracing::field::{Field, Visit};
use tracing::metadata::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{Ui, format};

/// Starts printing, where `RUST_LOG` says what and nobody takes spans and events yet.
pub(super) fn start(ui: &Ui) {
    let filter = Filter::new(&std::env::var("RUST_LOG").unwrap_or_default());
    if filter.most() == LevelFilter::OFF || tracing::dispatcher::has_been_set() {
        return;
    }
    let ui = ui.clone();
    let printing = Printing::new(filter, Box::new(move |line| ui.say(line)));
    // Whoever was quicker takes them.
    let _ = tracing::subscriber::set_global_default(printing);
}

/// What is printed: levels by the beginnings of targets, as in `warn,image_runtime=debug`.
#[derive(Debug)]
struct Filter(Vec<(String, LevelFilter)>);

impl Filter {
    /// What is empty or cannot be understood selects nothing.
    fn new(text: &str) -> Self {
        let directives = text.split(',').map(str::trim);
        // To `tracing`, a level without a name is that of errors.
        let directives = directives.filter(|directive| !directive.is_empty());
        let directives = directives.filter_map(|directive| {
            let (target, level) = match directive.split_once('=') {
                Some((_, "")) => return None,
                Some((target, level)) => (target, level.parse().ok()?),
                None => match directive.parse() {
                    Ok(level) => ("", level),
                    Err(_) => (directive, LevelFilter::TRACE),
                },
            };
            Some((target.to_owned(), level))
        });
        let mut directives: Vec<_> = directives.collect();
        // What says most of a target counts.
        directives.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Self(directives)
    }

    fn lets(&self, metadata: &Metadata<'_>) -> bool {
        let mut directives = self.0.iter();
        let first = directives.find(|(target, _)| metadata.target().starts_with(target.as_str()));
        first.is_some_and(|(_, most)| metadata.level() <= most)
    }

    fn most(&self) -> LevelFilter {
        let levels = self.0.iter().map(|(_, level)| *level);
        levels.max().unwrap_or(LevelFilter::OFF)
    }
}

/// Prints what a filter lets through.
struct Printing {
    filter: Filter,
    print: Box<dyn Fn(String) + Send + Sync>,
    spans: Mutex<Spans>,
}

#[derive(Default)]
struct Spans {
    open: HashMap<u64, Span>,
    last: u64,
}

struct Span {
    metadata: &'static Metadata<'static>,
    fields: String,
    begun: Instant,
    parent: Option<u64>,
    holders: usize,
}

thread_local! {
    /// The spans that this thread is in, the innermost last.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Printing {
    fn new(filter: Filter, print: Box<dyn Fn(String) + Send + Sync>) -> Self {
        Self {
            filter,
            print,
            spans: Mutex::default(),
        }
    }

    fn spans(&self) -> std::sync::MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, metadata: &Metadata<'_>, text: &str) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let time = crate::rfc3339::rfc3339(since.unwrap_or_default().as_secs());
        (self.print)(format!("{time} {:>5} {text}", metadata.level().as_str()));
    }
}

impl Spans {
    /// A span with those it is in: `layer.build{layer=…}:container.start{…}`.
    fn path(&self, id: Option<u64>) -> String {
        let Some((id, span)) = id.and_then(|id| Some((id, self.open.get(&id)?))) else {
            return String::new();
        };
        let mut path = self.path(span.parent.filter(|parent| *parent != id));
        if !path.is_empty() {
            path.push(':');
        }
        path + span.metadata.name() + "{" + &span.fields + "}"
    }

    /// Lets go of a span, and of those it kept open; answers those that have ended, the innermost first.
    fn let_go(&mut self, id: u64) -> Vec<(&'static Metadata<'static>, String)> {
        let (mut ended, mut next) = (Vec::new(), Some(id));
        while let Some(id) = next.take() {
            let Some(span) = self.open.get_mut(&id) else {
                break;
            };
            span.holders -= 1;
            if span.holders > 0 {
                break;
            }
            let path = self.path(Some(id));
            if let Some(span) = self.open.remove(&id) {
                let took = format::duration(span.begun.elapsed());
                ended.push((span.metadata, format!("{path} {took}")));
                next = span.parent;
            }
        }
        ended
    }
}

impl Subscriber for Printing {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.lets(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.most())
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        let parent = match span.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if span.is_contextual() => entered(),
            None => None,
        };
        let mut spans = self.spans();
        spans.last += 1;
        let id = spans.last;
        // A parent is there for as long as it has children.
        let parent = parent.filter(|parent| match spans.open.get_mut(parent) {
            Some(parent) => {
                parent.holders += 1;
                true
            }
            None => false,
        });
        let span = Span {
            metadata: span.metadata(),
            fields: fields.0,
            begun: Instant::now(),
            parent,
            holders: 1,
        };
        spans.open.insert(id, span);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        if let Some(span) = self.spans().open.get_mut(&id.into_u64()) {
            let mut fields = Fields(std::mem::take(&mut span.fields));
            values.record(&mut fields);
            span.fields = fields.0;
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let parent = match event.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if event.is_contextual() => entered(),
            None => None,
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let path = self.spans().path(parent);
        let separator = if path.is_empty() { "" } else { ": " };
        self.line(event.metadata(), &format!("{path}{separator}{}", fields.0));
    }

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| {
            let left = entered.iter().rposition(|one| *one == id.into_u64());
            if let Some(left) = left {
                entered.remove(left);
            }
        });
    }

    fn clone_span(&self, id: &Id) -> Id {
        if let Some(span) = self.spans().open.get_mut(&id.into_u64()) {
            span.holders += 1;
        }
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let ended = self.spans().let_go(id.into_u64());
        for (metadata, text) in &ended {
            self.line(metadata, text);
        }
        !ended.is_empty()
    }
}

fn entered() -> Option<u64> {
    ENTERED.with_borrow(|entered| entered.last().copied())
}

/// Fields as text: `function=add container=1a2b3c4d`; the message of an event is its bare text.
#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, "{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What is printed of some work, with words in place of times.
    fn printed(filter: &str, work: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lines);
        let print = move |line: String| {
            let (_, rest) = line.split_once(' ').unwrap();
            let rest = match rest.trim_start().rsplit_once("} ") {
                Some((path, took)) if took.ends_with('s') => format!("{path}}} [time]"),
                _ => rest.trim_start().to_owned(),
            };
            told.lock().unwrap().push(rest);
        };
        let printing = Printing::new(Filter::new(filter), Box::new(print));
        tracing::subscriber::with_default(printing, work);
        Arc::into_inner(lines).unwrap().into_inner().unwrap()
    }

    #[test]
    fn spans_are_printed_at_their_ends_inside_those_they_are_in() {
        let lines = printed("debug", || {
            let outer = tracing::info_span!("image.build", image = "ML");
            let inner = outer.in_scope(|| {
                tracing::info_span!(
                    "layer.build",
                    title = "apt_install(git)",
                    layer = tracing::field::Empty
                )
            });
            inner.record("layer", "1a2b");
            drop(outer);
            tracing::warn!(parent: &inner, attempts = 3, "slow");
            drop(inner);
            tracing::trace!("nobody wants that");
        });
        assert_eq!(
            lines,
            [
                "WARN image.build{image=ML}:layer.build{title=apt_install(git) layer=1a2b}: slow attempts=3",
                "INFO image.build{image=ML}:layer.build{title=apt_install(git) layer=1a2b} [time]",
                "INFO image.build{image=ML} [time]",
            ]
        );
    }

    #[test]
    fn what_says_most_of_a_target_counts() {
        let filter = Filter::new("warn, image_runtime=debug,image_runtime::ui=off,other,=?");
        let levels: Vec<_> = filter.0.iter().map(|(t, l)| (t.as_str(), *l)).collect();
        assert_eq!(
            levels,
            [
                ("image_runtime::ui", LevelFilter::OFF),
                ("image_runtime", LevelFilter::DEBUG),
                ("other", LevelFilter::TRACE),
                ("", LevelFilter::WARN),
            ]
        );
        for nothing in ["", " ", ",", " , ", "image_runtime=", "=?"] {
            assert_eq!(Filter::new(nothing).most(), LevelFilter::OFF, "{nothing}");
        }
        let lines = printed("error,image_runtime=debug", || {
            tracing::info!("seen");
            tracing::info!(target: "elsewhere", "not seen");
        });
        assert_eq!(lines, ["INFO seen"]);
    }
}
