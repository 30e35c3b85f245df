//! Directives that have no key of their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::Text;

/// The value of a directive; which kind it must be, the directive decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a boolean, a whole number, a string or a list of strings")]
pub enum DirectiveValue {
    /// yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A text, in the form of unit files.
    Text(Text),
    /// A list.
    List(Vec<Text>),
}
