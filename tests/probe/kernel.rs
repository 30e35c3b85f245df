//! Calls that reach deep into the kernel, with arguments that make sense: what answers is a filter, a capability, or nobody.

use crate::sys::{Errno, attempt, call, number, text, try_call};
use crate::{Options, Report};

const PR_SET_SECCOMP: usize = 22;
const PR_SET_MM: usize = 35;
const PR_CAP_AMBIENT: usize = 47;
const CAP_SYS_ADMIN: usize = 21;

pub fn report(_: &Options, report: &mut Report) {
    let mut line = |name: &str, outcome: crate::sys::Outcome| report.line(&format!("kernel.{name}"), outcome);
    line("add_key", attempt(|| add_key(-3)));
    line("add_key.user", attempt(|| add_key(-4)));
    line("request_key", try_call(number("request_key"), [text(c"user"), text(c"probe"), 0, 0]));
    line("keyctl.join", try_call(number("keyctl"), [1, 0, 0, 0, 0]));
    line(
        "keyctl.search",
        try_call(number("keyctl"), [10, (-5_isize).cast_unsigned(), text(c"user"), text(c"probe"), 0]),
    );
    let ring = [0_u32; 30];
    line("io_uring_setup", try_call(number("io_uring_setup"), [1, ring.as_ptr() as usize]));
    line("userfaultfd", try_call(number("userfaultfd"), [0]));
    line("userfaultfd.user-mode", try_call(number("userfaultfd"), [1]));
    line("perf_event_open", attempt(perf));
    line("bpf.map", attempt(bpf));
    line("fanotify_init", try_call(number("fanotify_init"), [4, 0]));
    line("open_by_handle_at", attempt(handle));
    line("kcmp", attempt(|| call(number("kcmp"), [own(), own(), 0, 0, 0]).map(drop)));
    line("process_vm_readv", attempt(|| call(number("process_vm_readv"), [own(), 0, 0, 0, 0, 0]).map(drop)));
    line("syslog.size", try_call(number("syslog"), [10, 0, 0]));
    line("init_module", try_call(number("init_module"), [0, 0, text(c"")]));
    line("delete_module", try_call(number("delete_module"), [text(c"soute-no-such-module"), 0o4000]));
    line("kexec_load", try_call(number("kexec_load"), [0, 17, 0, 0]));
    line("reboot", try_call(number("reboot"), [0xfee1_dead, 672_274_793, 0xffff, 0]));
    line("swapon", try_call(number("swapon"), [text(c"/proc/none"), 0]));
    line("acct", try_call(number("acct"), [text(c"/proc/none")]));
    line("quotactl", try_call(number("quotactl"), [0x80_0000 << 8, text(c"/dev/none"), 0, 0]));
    #[cfg(target_arch = "x86_64")]
    {
        line("iopl", try_call(number("iopl"), [3]));
        line("ioperm", try_call(number("ioperm"), [0x80, 1, 1]));
        line("modify_ldt", try_call(number("modify_ldt"), [0, 0, 0]));
    }
    line("personality.32-bit", try_call(number("personality"), [8]));
    line("personality.no-randomisation", try_call(number("personality"), [0x4_0000]));
    line("settimeofday", try_call(number("settimeofday"), [0, 0]));
    line("adjtimex", attempt(adjust));
    line("sethostname", attempt(hostname));
    line("vhangup", try_call(number("vhangup"), []));
    line("memfd_secret", try_call(number("memfd_secret"), [0]));
    line("nice", try_call(number("setpriority"), [0, 0, (-20_isize).cast_unsigned()]));
    let priority = 1_i32;
    line("realtime", try_call(number("sched_setscheduler"), [0, 1, std::ptr::from_ref(&priority) as usize]));
    line("prctl.mm", try_call(number("prctl"), [PR_SET_MM, 1, 0x1000, 0, 0]));
    line("prctl.ambient", try_call(number("prctl"), [PR_CAP_AMBIENT, 2, 0, 0, 0]));
    line("prctl.seccomp-strict", try_call(number("prctl"), [PR_SET_SECCOMP, 0, 0, 0, 0]));
    line("capset.all", attempt(|| capset(u32::MAX)));
    line("capset.sys_admin", attempt(|| capset(1 << CAP_SYS_ADMIN)));
    line("setuid.root", try_call(number("setuid"), [0]));
    line("setuid.beyond", try_call(number("setuid"), [70_000]));
    line("setgroups.none", try_call(number("setgroups"), [0, 0]));
    line("raise-limit", attempt(raise));
}

fn own() -> usize {
    std::process::id() as usize
}

fn add_key(ring: isize) -> Result<(), Errno> {
    let payload = c"word";
    call(number("add_key"), [text(c"user"), text(c"probe"), text(payload), 4, ring.cast_unsigned()]).map(drop)
}

/// A software counter of the caller itself, kernel excluded: what the strictest usual setting still lets through.
fn perf() -> Result<(), Errno> {
    let mut attributes = [0_u32; 32];
    attributes[0] = 1;
    attributes[1] = 128;
    // exclude_kernel and exclude_hv.
    attributes[10] = 1 << 5 | 1 << 6;
    let any = usize::MAX;
    call(number("perf_event_open"), [attributes.as_ptr() as usize, 0, any, any, 0]).map(drop)
}

/// BPF_MAP_CREATE of an array of one.
fn bpf() -> Result<(), Errno> {
    let attributes: [u32; 32] = std::array::from_fn(|index| [2, 4, 4, 1].get(index).copied().unwrap_or(0));
    call(number("bpf"), [0, attributes.as_ptr() as usize, size_of_val(&attributes)]).map(drop)
}

/// The way of CVE-2014-3519 ("shocker"): a handle of the root, opened past every mount.
fn handle() -> Result<(), Errno> {
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let (mut mount, here) = (0_i32, (-100_isize).cast_unsigned());
    let (handle, mount) = (handle.as_mut_ptr() as usize, std::ptr::from_mut(&mut mount) as usize);
    call(number("name_to_handle_at"), [here, text(c"/"), handle, mount, 0])?;
    let root = call(number("openat"), [here, text(c"/"), 0, 0])?;
    call(number("open_by_handle_at"), [root, handle, 0]).map(drop)
}

/// ADJ_TICK, to what it is.
fn adjust() -> Result<(), Errno> {
    let mut now = [0_u64; 26];
    call(number("adjtimex"), [now.as_mut_ptr() as usize])?;
    now[0] = 0x4000;
    call(number("adjtimex"), [now.as_mut_ptr() as usize]).map(drop)
}

fn hostname() -> Result<(), Errno> {
    let name = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim_ascii();
    call(number("sethostname"), [name.as_ptr() as usize, name.len()]).map(drop)
}

fn capset(bits: u32) -> Result<(), Errno> {
    let header: [u32; 2] = [0x2008_0522, 0];
    let high = if bits == u32::MAX { 0x1ff } else { 0 };
    let sets: [u32; 6] = [bits, bits, 0, high, high, 0];
    call(number("capset"), [header.as_ptr() as usize, sets.as_ptr() as usize]).map(drop)
}

/// The hard limit of processes.
fn raise() -> Result<(), Errno> {
    let mut limit = [0_u64; 2];
    call(number("prlimit64"), [0, 6, 0, limit.as_mut_ptr() as usize])?;
    let raised = [limit[1].saturating_add(1); 2];
    call(number("prlimit64"), [0, 6, raised.as_ptr() as usize, 0]).map(drop)
}
