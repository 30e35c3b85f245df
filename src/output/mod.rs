//! What users read: faults with their lines.

pub mod diagnostics;
