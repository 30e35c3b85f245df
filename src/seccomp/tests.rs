//! Every number of every way into every machine, under every set of rules: the program answers as the table does.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::{operation, verdict};
use super::table::errno::*;
use super::table::{self, Access, GROUPS, Permits, RESTRICTIONS, Restriction, capability};
use super::{Action, Entry, Instruction, Machine, Rules, compile, names};

const MACHINES: [Machine; 2] = [Machine::X86_64, Machine::Aarch64];
const ENTRIES: [Entry; 4] = [Entry::X86_64, Entry::I386, Entry::Aarch64, Entry::Arm];
const ALLOWED: u32 = verdict::ALLOW;

/// By hand: a way in that the compiler forgets is to be missed.
fn entries(machine: Machine) -> [Entry; 2] {
    match machine {
        Machine::X86_64 => [Entry::X86_64, Entry::I386],
        Machine::Aarch64 => [Entry::Aarch64, Entry::Arm],
    }
}

/// Rules that differ in what they open.
fn all_rules() -> Vec<Rules<'static>> {
    let added = |added| Rules { added, ..Rules::DEFAULT };
    let mut all = vec![Rules::DEFAULT, Rules::SYSTEM, added(u64::MAX), added(1 << 12)];
    all.extend([capability::SYS_ADMIN, capability::NET_RAW, capability::SYS_TIME, capability::AUDIT_WRITE].map(added));
    all.push(Rules { allowed: &["keyctl", "socket", "clone3", "ioctl"], ..Rules::DEFAULT });
    all
}

/// What the kernel does with a filter, kernel/seccomp.c and net/core/filter.c. The steps come with the verdict.
fn run(program: &[Instruction], entry: u32, number: u32, arguments: [u64; 6]) -> (u32, usize) {
    let mut data = [0, entry, 0, 0].to_vec();
    data[0] = number;
    data.extend(arguments.iter().flat_map(|argument| [*argument as u32, (*argument >> 32) as u32]));
    let (mut accumulator, mut at, mut steps) = (0, 0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        steps += 1;
        let jump = |condition: bool| usize::from(if condition { jt } else { jf });
        at += 1 + match code {
            operation::LOAD => {
                assert_eq!(k % 4, 0);
                accumulator = data[k as usize / 4];
                0
            }
            operation::SKIP => k as usize,
            operation::IF_EQUAL => jump(accumulator == k),
            operation::IF_AT_LEAST => jump(accumulator >= k),
            operation::IF_ANY_BIT => jump(accumulator & k != 0),
            operation::RETURN => return (k, steps),
            other => panic!("operation {other:#x}"),
        };
    }
}

/// The table, read without the compiler.
fn expected(rules: &Rules<'_>, name: Option<&str>, arguments: [u64; 6]) -> u32 {
    let action = name.map_or(Action::Refuse(ENOSYS), |name| rules.action(name));
    let errno = match action {
        Action::Allow => None,
        Action::Refuse(errno) => Some(errno),
        Action::Check(restrictions) => restrictions.into_iter().find_map(|one| objection(one, arguments)),
    };
    errno.map_or(ALLOWED, |errno| verdict::ERRNO | u32::from(errno))
}

fn objection(restriction: &Restriction, arguments: [u64; 6]) -> Option<u16> {
    // What the kernel takes of it.
    let low = |argument: u8| arguments[usize::from(argument)] as u32;
    let concerned = restriction.only_if.is_none_or(|(argument, value)| low(argument) == value);
    let value = low(restriction.argument);
    let permitted = match restriction.permits {
        Permits::Only(values) => values.contains(&value),
        Permits::Not(values) => !values.contains(&value),
        Permits::Without(bits) => value & bits == 0,
    };
    (concerned && !permitted).then_some(restriction.errno)
}

/// Values that the table mentions, their neighbours, single bits, and each with something above 32 bits.
fn values() -> Vec<u64> {
    let mut low: BTreeSet<u32> = (0..32).map(|bit| 1 << bit).chain([0, u32::MAX]).collect();
    for restriction in RESTRICTIONS {
        match restriction.permits {
            Permits::Only(values) | Permits::Not(values) => low.extend(values),
            Permits::Without(bits) => low.extend([bits, !bits]),
        }
        low.extend(restriction.only_if.map(|(_, value)| value));
    }
    low.extend(low.clone().into_iter().flat_map(|value| [value.wrapping_sub(1), value.wrapping_add(1)]));
    low.into_iter().flat_map(|value| [u64::from(value), u64::from(value) | 0xdead_beef_0000_0000]).collect()
}

#[test]
fn programs_answer_as_the_table_does() {
    let values = values();
    for (machine, rules) in MACHINES.into_iter().flat_map(|machine| all_rules().into_iter().map(move |r| (machine, r)))
    {
        let program = compile(machine, &rules);
        for entry in entries(machine) {
            let calls: BTreeMap<_, _> = entry.calls().into_iter().collect();
            let special = calls.keys().flat_map(|number| [*number, number | 0x4000_0000]);
            let numbers: BTreeSet<u32> = (0..1024).chain([u32::MAX, 1 << 31, 0x000f_0007]).chain(special).collect();
            for number in numbers {
                let name = calls.get(&number).copied();
                let answer = |arguments| run(&program, entry.audit_arch(), number, arguments).0;
                let check = |arguments: [u64; 6]| {
                    let expected = expected(&rules, name, arguments);
                    assert_eq!(answer(arguments), expected, "{entry:?} {rules:?} {name:?} {number} {arguments:x?}");
                };
                check([0; 6]);
                check([u64::MAX; 6]);
                if matches!(name.map(|name| rules.action(name)), Some(Action::Check(_))) {
                    for (first, third) in values.iter().flat_map(|first| [(first, 0), (first, 9), (first, 10)]) {
                        check([*first, *first, third, 0, 0, 0]);
                    }
                    values.iter().for_each(|third| check([16, 0, *third, 0, 0, 0]));
                }
            }
        }
    }
}

/// The kernel runs a new filter for every number there is: that is what loading costs, and 4096 is its limit.
#[test]
fn programs_are_short_and_shallow() {
    for (machine, rules) in MACHINES.into_iter().flat_map(|machine| all_rules().into_iter().map(move |r| (machine, r)))
    {
        let program = compile(machine, &rules);
        assert!(program.len() < 1024, "{machine:?} {rules:?}: {} instructions", program.len());
        for entry in entries(machine) {
            for number in 0..1024 {
                let (_, steps) = run(&program, entry.audit_arch(), number, [0; 6]);
                assert!(steps <= 32, "{entry:?} {rules:?}: {steps} steps to call {number}");
            }
        }
    }
}

#[test]
fn no_other_entry_is_let_in() {
    let program = compile(Machine::X86_64, &Rules::SYSTEM);
    for entry in [0, Entry::Aarch64.audit_arch(), Entry::Arm.audit_arch(), u32::MAX] {
        assert_eq!(run(&program, entry, 0, [0; 6]).0, verdict::KILL_PROCESS);
    }
}

#[test]
fn every_call_is_in_one_group_and_has_one_number() {
    let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|group| group.names.split_ascii_whitespace()).collect();
    grouped.sort_unstable();
    let mut known: Vec<&str> = names().collect();
    known.sort_unstable();
    assert_eq!(grouped, known);
    let restricted = RESTRICTIONS.iter().flat_map(|restriction| restriction.calls);
    for name in restricted.chain(table::ABSENT) {
        assert!(known.contains(name), "{name}");
    }
    for entry in ENTRIES {
        let calls = entry.calls();
        assert!(calls.windows(2).all(|pair| pair[0].0 < pair[1].0), "{entry:?}");
        assert!(calls.len() > 300, "{entry:?}: {}", calls.len());
    }
}

/// The numbers against libc's, which come from the headers too, but by another hand.
#[test]
#[cfg(target_arch = "x86_64")]
fn numbers_are_those_of_libc() {
    use nix::libc;
    let calls = Entry::X86_64.calls();
    for (name, number) in [
        ("read", libc::SYS_read),
        ("clone", libc::SYS_clone),
        ("keyctl", libc::SYS_keyctl),
        ("setns", libc::SYS_setns),
        ("bpf", libc::SYS_bpf),
        ("clone3", libc::SYS_clone3),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
    ] {
        assert!(calls.contains(&(number as u32, name)), "{name}");
    }
}

/// What must hold whatever the table comes to look like.
#[test]
fn what_a_container_must_not_do() {
    let refused = "keyctl add_key request_key bpf perf_event_open userfaultfd io_uring_setup io_uring_enter \
                   io_uring_register kexec_load kexec_file_load open_by_handle_at init_module finit_module delete_module \
                   swapon swapoff acct quotactl fanotify_init syslog settimeofday clock_settime iopl ioperm modify_ldt";
    for name in refused.split_ascii_whitespace() {
        assert_eq!(Rules::DEFAULT.action(name), Action::Refuse(EPERM), "{name}");
        assert_eq!(Rules::SYSTEM.action(name), Action::Refuse(EPERM), "{name}");
    }
    let systems = "mount umount2 pivot_root setns fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr \
                   sethostname reboot";
    for name in systems.split_ascii_whitespace() {
        assert_eq!(Rules::DEFAULT.action(name), Action::Refuse(EPERM), "{name}");
        assert_eq!(Rules::SYSTEM.action(name), Action::Allow, "{name}");
    }
    assert_eq!(Rules::DEFAULT.action("clone3"), Action::Refuse(ENOSYS));
    assert_eq!(Rules::SYSTEM.action("clone3"), Action::Allow);
    assert_eq!(Rules::SYSTEM.action("socketcall"), Action::Refuse(ENOSYS));
}

#[test]
fn arguments_that_are_looked_at() {
    let default = compile(Machine::X86_64, &Rules::DEFAULT);
    let system = compile(Machine::X86_64, &Rules::SYSTEM);
    let numbers: BTreeMap<_, _> = Entry::X86_64.calls().into_iter().map(|(number, name)| (name, number)).collect();
    let ask = |program: &[Instruction], name: &str, first: u64, second: u64, third: u64| match run(
        program,
        Entry::X86_64.audit_arch(),
        numbers[name],
        [first, second, third, 0, 0, 0],
    )
    .0
    {
        ALLOWED => 0,
        other => other as u16,
    };
    let high = 0x1_0000_0000;
    for (name, [first, second, third], by_default, in_system) in [
        ("clone", [0x11, 0, 0], 0, 0),
        ("clone", [0x1000_0011, 0, 0], EPERM, 0),
        ("clone", [0x0002_0011 | high, 0, 0], EPERM, 0),
        ("unshare", [0x600, 0, 0], 0, 0),
        ("unshare", [0x80, 0, 0], EPERM, 0),
        ("unshare", [0x1000_0000, 0, 0], EPERM, 0),
        ("socket", [1, 1, 0], 0, 0),
        ("socket", [10 | high, 1, 0], 0, 0),
        ("socket", [16, 3, 0], 0, 0),
        ("socket", [16, 3, 9], EINVAL, EINVAL),
        ("socket", [2, 3, 9], 0, 0),
        ("socket", [17, 3, 0], EAFNOSUPPORT, EAFNOSUPPORT),
        ("socket", [38, 5, 0], EAFNOSUPPORT, EAFNOSUPPORT),
        ("socketpair", [40, 1, 0], EAFNOSUPPORT, EAFNOSUPPORT),
        ("ioctl", [0, 0x5413, 0], 0, 0),
        ("ioctl", [0, 0x5412, 0], EPERM, EPERM),
        ("ioctl", [0, 0x541c | high, 0], EPERM, EPERM),
        ("personality", [0xffff_ffff, 0, 0], 0, 0),
        ("personality", [0x40000, 0, 0], EPERM, EPERM),
    ] {
        assert_eq!(ask(&default, name, first, second, third), by_default, "{name} {first:x} {second:x} {third:x}");
        assert_eq!(
            ask(&system, name, first, second, third),
            in_system,
            "{name} {first:x} {second:x} {third:x}, system"
        );
    }
}

#[test]
fn a_capability_opens_what_it_is_for() {
    for group in GROUPS {
        let (Access::System(capabilities) | Access::Added(capabilities)) = group.access else { continue };
        for bit in (0..64).map(|bit| 1 << bit).filter(|bit| capabilities & bit != 0) {
            let rules = Rules { added: bit, ..Rules::DEFAULT };
            assert!(!rules.is_standard());
            for name in group.names.split_ascii_whitespace() {
                assert_eq!(rules.action(name), Action::Allow, "{name}");
            }
        }
    }
    // NET_ADMIN needs no call that others have not.
    assert!(Rules { added: 1 << 12, ..Rules::DEFAULT }.is_standard());
    assert!(!Rules { allowed: &["keyctl"], ..Rules::DEFAULT }.is_standard());
}
