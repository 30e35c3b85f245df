//! The probe: a payload that tries the forbidden things one by one and prints what came of each.
//!
//!     probe [--host KIND:[NUMBER]…] [--output FILE] [--hold] [--only SECTION]
//!     probe --type KEYS
//!     probe --notify MESSAGE [--hold]
//!     probe [--put-key KEYRING=NAME]… [--output FILE] [--hold | -- COMMAND…]
//!     probe --find-key NAME|NUMBER
//!
//! A line is a key, a space and a value, in an order that never changes. Numbers that differ from one process to the next
//! (PIDs, inodes, mount ids) are left out, so that two reports of equally confined processes are equal. What happens to be
//! connected to descriptors 0 to 2 begins with "stdio.". Given the namespaces of the host, it tells which are its own. With
//! `--hold` it stays, as payloads do. `--type` types into the terminal on stdin; `--notify` tells a manager something, with a
//! descriptor of its root. `--put-key` keeps the key as long as it, or the command, runs. Static, and of nothing but Rust's own library.

mod calls;
mod cgroup;
mod devices;
mod escapes;
mod identity;
mod kernel;
mod keys;
mod mounts;
mod namespaces;
mod notify;
mod numbers;
mod paths;
mod sockets;
mod sys;

use std::fmt::{Display, Write};
use std::os::unix::process::CommandExt;

/// What was found, a line each.
#[derive(Default)]
pub struct Report(String);

impl Report {
    /// A line; what would end it early is escaped.
    pub fn line(&mut self, key: &str, value: impl Display) {
        let line = format!("{key} {value}").replace('\\', "\\\\").replace(['\n', '\r', '\0'], "\\n");
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{}", line.trim_end());
    }
}

type Section = fn(&Options, &mut Report);

const SECTIONS: [(&str, Section); 10] = [
    ("identity", identity::report),
    ("namespaces", namespaces::report),
    ("mounts", mounts::report),
    ("paths", paths::report),
    ("devices", devices::report),
    ("sockets", sockets::report),
    ("cgroup", cgroup::report),
    ("escapes", escapes::report),
    ("kernel", kernel::report),
    ("calls", calls::report),
];

/// The command line.
#[derive(Default)]
pub struct Options {
    /// The host's namespaces, as their links read.
    pub host: Vec<String>,
    output: Option<String>,
    hold: bool,
    only: Option<String>,
    keys: Option<String>,
    message: Option<String>,
    put_keys: Vec<(String, String)>,
    find_key: Option<String>,
    then: Vec<String>,
}

fn main() {
    let options = options();
    if let Some(keys) = &options.keys {
        println!("typed {}", escapes::type_into_stdin(keys));
    } else if let Some(message) = &options.message {
        let sent = notify::send(&message.replace(' ', "\n"));
        println!("notified {}", sent.map_or_else(sys::name, |()| "done".to_owned()));
    } else if !options.put_keys.is_empty() {
        let mut report = Report::default();
        options.put_keys.iter().for_each(|(ring, key)| keys::put(ring, key, &mut report));
        print(&options, &report);
    } else if let Some(key) = &options.find_key {
        let mut report = Report::default();
        keys::find(key, &mut report);
        print(&options, &report);
    } else {
        // Not as PID 1, which the kernel treats otherwise: what exec starts is none either.
        let done = sys::attempt_for(600, || {
            write(&options);
            Ok(())
        });
        assert!(done == sys::Outcome::Done, "the report ended with {done}");
    }
    if let [program, arguments @ ..] = options.then.as_slice() {
        let error = std::process::Command::new(program).args(arguments).exec();
        panic!("cannot execute {program}: {error}");
    }
    if options.hold {
        loop {
            std::thread::park();
        }
    }
}

fn options() -> Options {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--host" => options.host.extend(words.next()),
            "--output" => options.output = words.next(),
            "--only" => options.only = words.next(),
            "--type" => options.keys = words.next(),
            "--notify" => options.message = words.next(),
            "--put-key" => {
                let word = words.next().unwrap_or_default();
                let (ring, key) = word.split_once('=').expect("KEYRING=NAME");
                options.put_keys.push((ring.to_owned(), key.to_owned()));
            }
            "--find-key" => options.find_key = words.next(),
            "--hold" => options.hold = true,
            "--" => options.then = words.by_ref().collect(),
            other => panic!("unknown option {other}"),
        }
    }
    options
}

fn write(options: &Options) {
    let mut report = Report::default();
    for (name, section) in SECTIONS {
        if options.only.as_deref().is_none_or(|only| only == name) {
            section(options, &mut report);
        }
    }
    print(options, &report);
}

fn print(options: &Options, report: &Report) {
    match &options.output {
        // Renamed, so that whoever waits for it finds it whole.
        Some(path) => {
            let next = format!("{path}.new");
            std::fs::write(&next, &report.0).and_then(|()| std::fs::rename(&next, path)).expect("the report");
        }
        None => print!("{}", report.0),
    }
}
