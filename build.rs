//! Compiles the filters of the two standard profiles, so that starting a container does not.

use std::fmt::Write;
use std::path::Path;

#[path = "src/seccomp/mod.rs"]
#[allow(dead_code, unused_imports)]
mod seccomp;

use seccomp::{Machine, Rules};

fn main() {
    println!("cargo::rerun-if-changed=src/seccomp");
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let target = variable("CARGO_CFG_TARGET_ARCH");
    let machine = Machine::named(&target).unwrap_or_else(|| panic!("there is no table of system calls for {target}"));
    let mut source = String::new();
    for (name, rules) in [("DEFAULT", Rules::DEFAULT), ("SYSTEM", Rules::SYSTEM)] {
        let program = seccomp::compile(machine, &rules);
        let _ = writeln!(source, "static {name}: [Instruction; {}] = [", program.len());
        for step in program {
            let _ = writeln!(source, "Instruction::new({}, {}, {}, {}),", step.code, step.jt, step.jf, step.k);
        }
        source.push_str("];\n");
    }
    let path = Path::new(&variable("OUT_DIR")).join("filters.rs");
    std::fs::write(&path, source).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
