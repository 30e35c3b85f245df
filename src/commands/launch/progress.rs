//! How far a start is, on a terminal, in one line: a bar while the image is copied, else the unit's own words.

use indicatif::{ProgressBar, ProgressStyle};

use crate::definition::types::escaped;
use crate::sandbox::copy;

/// Drawn on standard error where that is a terminal, and nowhere else; made when there is something to show.
#[derive(Default)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Shows STATUS= of the unit.
    pub fn show(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let bar = self.0.get_or_insert_with(ProgressBar::no_length);
        let copied = copy::copied(text);
        bar.set_message(if copied.is_some() { "copying the image".to_owned() } else { escaped(text) });
        let template = if copied.is_some() { "{msg} {wide_bar} {pos} of {len} MiB" } else { "{wide_msg}" };
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        if let Some((done, total)) = copied {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    /// Leaves the line as it was.
    pub fn clear(self) {
        self.0.inspect(ProgressBar::finish_and_clear);
    }
}
