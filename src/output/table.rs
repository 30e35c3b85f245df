//! Columns for people: as wide as their widest cell, two spaces apart.

use std::fmt;

use crate::definition::types::escaped;

/// Rows below a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// No rows yet.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_owned).to_vec()] }
    }

    /// Adds a row with a cell for each heading. What is empty is shown as "-", and what a terminal would obey is escaped:
    /// cells may hold what an image or a payload says.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { escaped(&cell) };
        self.rows.push(cells.map(shown).to_vec());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let line: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let mut table = Table::new(["NAME", "IMAGE", "USED BY"]);
        table.row(["web".into(), "nginx".into(), String::new()]);
        table.row(["a-longer-name".into(), "é\u{1b}[2J".into(), "x, y".into()]);
        assert_eq!(
            table.to_string(),
            "NAME           IMAGE       USED BY\nweb            nginx       -\na-longer-name  é\\u{1b}[2J  x, y\n"
        );
    }

    #[test]
    fn without_rows_there_is_the_heading() {
        assert_eq!(Table::new(["NAME", "STATE"]).to_string(), "NAME  STATE\n");
    }
}
