//! The table of soute-security(7): soute's column is what the probe finds, Docker's is what is known of it.

use std::collections::BTreeMap;
use std::process::Command;

use crate::inside::report;
use crate::lab::script::both;
use crate::lab::{Lab, Ran, source};

both!(the_page_says_what_the_probe_finds);

/// The cells of a row by its name.
type Rows = BTreeMap<String, Vec<String>>;

fn page() -> Rows {
    let page = std::fs::read_to_string(source().join("man/soute-security.7")).expect("the page");
    let (_, table) = page.split_once("\n.It Sy \\& Ta Sy soute Ta Sy Docker Ta").expect("the table's head");
    let (table, _) = table.split_once("\n.El").expect("the table's end");
    let rows = table.lines().filter_map(|line| line.strip_prefix(".It "));
    rows.map(|row| row.split(" Ta ").map(str::to_owned))
        .map(|mut cells| (cells.next().unwrap_or_default(), cells.collect()))
        .collect()
}

fn rows(text: &str) -> Rows {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("calls refused"));
    lines.filter_map(|line| line.split_once('\t')).map(|(row, cell)| (row.to_owned(), vec![cell.to_owned()])).collect()
}

fn column(rows: &Rows, number: usize) -> Rows {
    rows.iter().map(|(row, cells)| (row.clone(), vec![cells[number].clone()])).collect()
}

fn the_page_says_what_the_probe_finds(lab: &Lab) {
    let report = report(lab, "compared", "");
    let file = lab.root().join("root/compared");
    std::fs::write(&file, report.to_string()).expect("a file in the lab");
    let mut awk = Command::new("awk");
    awk.arg("-f").arg(source().join("tests/probe/summary.awk")).arg(&file);
    assert_eq!(column(&page(), 0), rows(&Ran::of("awk", &mut awk).ok()));
}

#[test]
fn the_page_says_of_docker_what_is_known() {
    let known = std::fs::read_to_string(source().join("tests/probe/docker")).expect("the list");
    assert_eq!(column(&page(), 1), rows(&known));
    assert!(page().values().all(|cells| cells.len() == 5), "a row without a cell of each");
}
