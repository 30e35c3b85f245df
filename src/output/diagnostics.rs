//! Faults with the line they are in, underlined, as rustc prints its own; and as JSON.

use std::io::IsTerminal;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin as Place, Renderer, Snippet};
use serde_json::{Value, json};

use crate::definition::Faults;
use crate::definition::fault::{Fault, Severity};
use crate::definition::source::Origin;
use crate::definition::types::escaped;
use crate::error::{Error, Exit};

/// All of them, for people; `styled` on a terminal.
pub fn render(faults: &[Fault], styled: bool) -> String {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    faults.iter().map(|fault| renderer.render(&[group(fault)]) + "\n").collect::<Vec<_>>().join("\n")
}

/// Shows faults where they are written; what comes back sums them up.
pub fn refuse(faults: &[Fault]) -> Error {
    eprint!("{}", render(faults, std::io::stderr().is_terminal()));
    let errors = Faults(faults.to_vec()).errors().count();
    let plural = if errors == 1 { "" } else { "s" };
    Error::new(Exit::Invalid, format!("its definition has {errors} fault{plural}"))
}

fn group(fault: &Fault) -> Group<'_> {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(escaped(&fault.message)));
    if let Some(origin) = &fault.origin {
        group = shown(group, origin, |span| AnnotationKind::Primary.span(span));
    }
    for (origin, label) in &fault.related {
        group = shown(group, origin, |span| AnnotationKind::Context.span(span).label(escaped(label)));
    }
    match &fault.help {
        Some(help) => group.element(Level::HELP.message(escaped(help))),
        None => group,
    }
}

fn shown<'a>(group: Group<'a>, origin: &Origin, annotation: impl Fn(Range<usize>) -> Annotation<'a>) -> Group<'a> {
    let name = escaped(&origin.source.name);
    let (line, column) = origin.line_column();
    match Excerpt::of(origin) {
        Some(excerpt) => {
            let snippet = Snippet::source(excerpt.text).line_start(line).path(name);
            group.element(snippet.annotation(annotation(excerpt.span)))
        }
        None => group.element(Place::path(name).line(line).char_column(column)),
    }
}

/// The line that a fault is in, safe to print.
struct Excerpt {
    text: String,
    /// In `text`.
    span: Range<usize>,
}

impl Excerpt {
    /// None for what concerns a whole text, and for lines that no person wrote.
    fn of(origin: &Origin) -> Option<Self> {
        let (text, span) = (&origin.source.text, origin.span());
        if span.is_empty() && span.start == 0 {
            return None;
        }
        let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
        let end = text[span.start..].find('\n').map_or(text.len(), |at| span.start + at);
        let end = if text[..end].ends_with('\r') { end - 1 } else { end };
        if end.saturating_sub(start) > 500 {
            return None;
        }
        let before = escaped_line(&text[start..span.start.min(end)]);
        let marked = escaped_line(text.get(span.start.min(end)..span.end.min(end)).unwrap_or_default());
        let after = escaped_line(text.get(span.end.min(end).max(span.start.min(end))..end).unwrap_or_default());
        // The end of a line has nothing to underline, so it is marked behind its last character.
        let width = marked.len().max(usize::from(marked.is_empty() && after.is_empty()));
        let span = before.len()..before.len() + width;
        Some(Self { text: format!("{before}{marked}{after}"), span })
    }
}

/// A tab is no danger to a terminal, and keeps the line as it was typed.
fn escaped_line(text: &str) -> String {
    text.split('\t').map(escaped).collect::<Vec<_>>().join("\t")
}

/// All of them, for programs.
pub fn to_json(faults: &[Fault]) -> Value {
    let related = |fault: &Fault| {
        let entries = fault.related.iter().map(|(origin, label)| {
            let mut entry = place(origin);
            entry["label"] = json!(label);
            entry
        });
        entries.collect::<Vec<_>>()
    };
    let entries = faults.iter().map(|fault| {
        json!({
            "severity": match fault.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "message": fault.message,
            "help": fault.help,
            "key": fault.path,
            "at": fault.origin.as_ref().map(place),
            "related": related(fault),
        })
    });
    Value::Array(entries.collect())
}

fn place(origin: &Origin) -> Value {
    let (line, column) = origin.line_column();
    json!({ "file": origin.source.name, "line": line, "column": column })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::source::{Layer, Source};

    fn fault(text: &str, word: &str) -> Fault {
        let source = Source::new("web.toml", text, Layer::Main);
        let at = text.find(word).unwrap();
        Fault::new("bad", Some(Origin::new(&source, at..at + word.len()))).help("write good")
    }

    #[test]
    fn the_line_is_underlined() {
        let shown = render(&[fault("a = 1\nmemory = \"256MB\"\nb = 2", "\"256MB\"")], false);
        assert_eq!(
            shown,
            "error: bad\n --> web.toml:2:10\n  |\n2 | memory = \"256MB\"\n  |          ^^^^^^^\n  |\n  = help: write good\n"
        );
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        let shown = render(&[fault("x = \"\u{1b}[2J\u{9b}\u{202e}\" # é\n", "x")], false);
        assert!(shown.contains(r#"x = "\u{1b}[2J\u{9b}\u{202e}" # é"#), "{shown}");
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }

    #[test]
    fn programs_get_line_and_column() {
        let json = to_json(&[fault("é = 1", "=")]);
        assert_eq!(json[0]["at"], json!({ "file": "web.toml", "line": 1, "column": 3 }));
        assert_eq!(json[0]["severity"], "error");
    }
}
