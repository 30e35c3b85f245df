//! Every `unsafe` of soute: system calls that neither nix nor rustix wraps, each behind a safe function.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;
use rustix::io::{Errno, Result};
use rustix::process::Pid;

/// The two sides of [`clone3`].
#[derive(Debug)]
pub enum Cloned {
    /// In the new process.
    Child,
    /// In the caller: the child as the caller's pid namespace numbers it.
    Parent(Pid),
}

/// `struct clone_args`, linux/sched.h, up to `cgroup` (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// fork(2) into new namespaces, and into a cgroup if one is given. With CLONE_PARENT the caller's parent is told of the
/// child's end, else the caller is.
pub fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut args = CloneArgs { flags, ..CloneArgs::default() };
    // With CLONE_PARENT the kernel takes the signal of the caller itself, and refuses one given here.
    if flags & libc::CLONE_PARENT as u64 == 0 {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd().cast_unsigned().into();
    }
    // SAFETY: the process has one thread (the runner and the generator never start another), so the child finds every
    // lock free and may go on as after fork(2); without CLONE_VM and a stack of its own it has a copy of everything.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<CloneArgs>()) };
    match i32::try_from(pid) {
        Ok(0) => Ok(Cloned::Child),
        Ok(pid) if pid > 0 => Pid::from_raw(pid).map(Cloned::Parent).ok_or(Errno::SRCH),
        _ => Err(last_error()),
    }
}

/// `struct mount_attr`, linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// mount_setattr(2) on the mount that `mount` refers to.
pub fn mount_setattr(
    mount: BorrowedFd<'_>,
    set: u64,
    propagation: u64,
    userns: Option<BorrowedFd<'_>>,
    recursive: bool,
) -> Result<()> {
    let userns = userns.map_or(0, |fd| fd.as_raw_fd().cast_unsigned().into());
    let attr = MountAttr { set, clear: 0, propagation, userns };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, `attr` is a mount_attr of the size given, both live through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// keyctl(KEYCTL_JOIN_SESSION_KEYRING): a new, anonymous session keyring, so that keys of others are not found.
pub fn join_new_session_keyring() -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: the name is a null pointer, which asks for an anonymous keyring; no memory is touched.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Every signal back to its default action and none blocked, as a program expects to be started.
pub fn reset_signals() -> Result<()> {
    // SAFETY: all-zero is a valid sigaction (SIG_DFL, no flags, empty mask) and a valid empty set.
    let action: libc::sigaction = unsafe { std::mem::zeroed() };
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the action outlives the call; SIGKILL, SIGSTOP and libc's own two answer EINVAL, which is right.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
    nix::sys::signal::SigSet::empty().thread_set_mask().map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

/// Marks every descriptor above stderr close-on-exec, whoever opened it.
pub fn close_on_exec_above_stderr() -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: only descriptor flags change; every owner still holds what it held.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// A descriptor that systemd passed by number (LISTEN_FDS). Call it once for each.
pub fn take_passed(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: fcntl reads no memory; it tells whether the number is open.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(last_error());
    }
    // SAFETY: the descriptor is open, came from our parent, and nothing else in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
