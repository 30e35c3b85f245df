//! Texts that values come from, and where in them.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which layer a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// What the image declares.
    Image,
    /// defaults.toml of the site.
    Defaults,
    /// NAME.toml.
    Main,
    /// NAME.toml.d/*.toml.
    DropIn,
    /// The flags of the command line.
    CommandLine,
}

/// A text and what it is called: a path, or words such as "command line".
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path of a file, or what else the text is.
    pub name: String,
    /// All of it.
    pub text: String,
    /// Its place among the layers.
    pub layer: Layer,
}

impl Source {
    /// A text by its name.
    pub fn new(name: impl Into<String>, text: impl Into<String>, layer: Layer) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into(), layer })
    }

    /// The directory that "./x" is taken beside; none for what is no file.
    pub fn directory(&self) -> Option<PathBuf> {
        match self.layer {
            Layer::Image | Layer::CommandLine => None,
            _ => Path::new(&self.name).parent().map(Path::to_owned),
        }
    }
}

/// A place in a source.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    /// The text.
    pub source: Arc<Source>,
    start: u32,
    end: u32,
}

impl Origin {
    pub(crate) fn new(source: &Arc<Source>, span: Range<usize>) -> Self {
        let place = |at: usize| u32::try_from(at.min(source.text.len())).unwrap_or(u32::MAX);
        Self { source: source.clone(), start: place(span.start), end: place(span.end) }
    }

    /// The text as a whole.
    pub fn whole(source: &Arc<Source>) -> Self {
        Self::new(source, 0..0)
    }

    /// The bytes.
    pub fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Line and column, from 1, the column in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.start as usize).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", super::types::escaped(&self.source.name))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
