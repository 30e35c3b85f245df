//! A bar for long work, drawn on standard error where that is a terminal, and nowhere else.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that says what is done. How much is to come may be told later, or never.
pub fn new(message: String) -> ProgressBar {
    ProgressBar::no_length().with_style(style("{msg} {bytes}")).with_message(message)
}

/// So many bytes are done.
pub fn show(bar: &ProgressBar, done: u64, total: Option<u64>) {
    if let Some(total) = total.filter(|total| bar.length() != Some(*total)) {
        bar.set_style(style("{msg} {bytes} {wide_bar} {total_bytes}"));
        bar.set_length(total);
    }
    bar.set_position(done);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
