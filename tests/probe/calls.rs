//! Every system call by its number, with arguments that none can do anything with: EPERM and ENOSYS are a filter's or a
//! missing capability's, all else says that the call was reached. Then the other two doors that x86 has.

use crate::numbers;
use crate::sys::{NOTHING, try_call};
use crate::{Options, Report};

const SKIPPED: [(&str, &str); 7] = [
    ("exit", "ends the caller"),
    ("exit_group", "ends the caller"),
    ("rt_sigreturn", "needs a signal's stack"),
    ("pause", "waits for ever"),
    ("rt_sigsuspend", "waits for ever"),
    ("vfork", "shares its caller's stack"),
    ("sync", "waits for the host's disks"),
];

pub fn report(_: &Options, report: &mut Report) {
    for (number, name) in numbers::all() {
        let key = format!("call.{number:03}.{name}");
        match SKIPPED.iter().find(|(skipped, _)| *skipped == name) {
            Some((_, why)) => report.line(&key, format!("skipped: {why}")),
            // With all flags it would make a queue.
            None if name == "msgget" => report.line(&key, try_call(number, [usize::MAX, 0])),
            None => report.line(&key, try_call(number, NOTHING)),
        }
    }
    // Beyond what any kernel knows.
    report.line("call.600", try_call(600, NOTHING));
    #[cfg(target_arch = "x86_64")]
    other_doors(report);
}

#[cfg(target_arch = "x86_64")]
fn other_doors(report: &mut Report) {
    use crate::sys::{number, try_32_bit};
    /// asm/unistd_32.h.
    const OLD: [(&str, u32, [u32; 2]); 13] = [
        ("getpid", 20, [0; 2]),
        ("mount", 21, [0; 2]),
        ("ptrace", 26, [u32::MAX; 2]),
        ("reboot", 88, [0; 2]),
        ("socketcall", 102, [1, 0]),
        ("clone.user", 120, [0x1000_0011, 0]),
        ("modify_ldt", 123, [0; 2]),
        ("add_key", 286, [0; 2]),
        ("keyctl", 288, [0, u32::MAX - 2]),
        ("unshare.user", 310, [0x1000_0000, 0]),
        ("bpf", 357, [0; 2]),
        ("socket.alg", 359, [38, 5]),
        ("socket.inet", 359, [2, 2]),
    ];
    /// __X32_SYSCALL_BIT.
    const X32: usize = 0x4000_0000;
    for (name, number, arguments) in OLD {
        report.line(&format!("call-32-bit.{name}"), try_32_bit(number, arguments));
    }
    for name in ["getpid", "mount", "keyctl"] {
        report.line(&format!("call-x32.{name}"), try_call(number(name) | X32, NOTHING));
    }
}
