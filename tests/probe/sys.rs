//! System calls as they are, each in a process of its own: what it does to its caller, the report does not feel.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_long, c_uint};
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn alarm(seconds: c_uint) -> c_uint;
    fn _exit(status: c_int) -> !;
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: u64,
        data: *const c_char,
    ) -> c_int;
}

/// What the kernel refuses with.
pub type Errno = i32;

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went through.
    Done,
    /// It was refused, or the kernel did not like its arguments.
    Refused(Errno),
    /// A signal ended it: SIGSYS is a filter's.
    Killed(i32),
    /// It did not end in time.
    Waits,
}

/// Arguments that no call can do anything with: no descriptor, no address, no flags, no process.
pub const NOTHING: [usize; 6] = [usize::MAX; 6];

/// A system call of this process.
pub fn call<const N: usize>(number: usize, arguments: [usize; N]) -> Result<usize, Errno> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: pointers among the arguments are of values that the caller keeps, or such as the kernel refuses (EFAULT);
    // what would break this process anyway runs in a child, see `attempt`.
    let result = unsafe { syscall(number as c_long, a, b, c, d, e, f) };
    if result < 0 { Err(errno()) } else { Ok(result.cast_unsigned() as usize) }
}

/// Runs `what` in a child and tells how it ended.
pub fn attempt(what: impl FnOnce() -> Result<(), Errno>) -> Outcome {
    attempt_for(20, || {
        // vhangup(2) is for the whole session, and kill(2) knows groups.
        let _ = call(number("setsid"), []);
        what()
    })
}

/// The same, with so many seconds to end.
pub fn attempt_for(seconds: u32, what: impl FnOnce() -> Result<(), Errno>) -> Outcome {
    // SAFETY: this process has one thread, so that its child finds every lock free; the child ends in _exit.
    let child = unsafe { fork() };
    match child {
        0 => {
            // SAFETY: no memory is touched. Calls that wait would wait for ever.
            unsafe { alarm(seconds) };
            let status = what().err().unwrap_or(0);
            // SAFETY: ends this process, without what std does at an exit.
            unsafe { _exit(status) }
        }
        -1 => Outcome::Refused(errno()),
        child => outcome(child),
    }
}

/// In a mount namespace apart, where one can be had: a mount that goes through is not to change what is tried next.
pub fn attempt_apart(what: impl FnOnce() -> Result<(), Errno>) -> Outcome {
    const CLONE_NEWNS: usize = 0x0002_0000;
    const MS_PRIVATE_REC: u64 = 1 << 18 | 1 << 14;
    attempt(|| {
        if call(number("unshare"), [CLONE_NEWNS]).is_ok() {
            mount_at(c"none", c"/", c"", MS_PRIVATE_REC, None)?;
        }
        what()
    })
}

fn outcome(child: c_int) -> Outcome {
    const SIGALRM: c_int = 14;
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    while unsafe { waitpid(child, &raw mut status, 0) } == -1 {}
    match (status & 0x7f, status >> 8 & 0xff) {
        (0, 0) => Outcome::Done,
        (0, errno) => Outcome::Refused(errno),
        (SIGALRM, _) => Outcome::Waits,
        (signal, _) => Outcome::Killed(signal),
    }
}

/// A call by number, in a child.
pub fn try_call<const N: usize>(number: usize, arguments: [usize; N]) -> Outcome {
    attempt(|| call(number, arguments).map(drop))
}

/// A call through the 32-bit entry, with its own numbers; in a child.
#[cfg(target_arch = "x86_64")]
pub fn try_32_bit(number: u32, [first, second]: [u32; 2]) -> Outcome {
    attempt(|| {
        let mut result: u64 = number.into();
        // SAFETY: no argument is an address. The compiler keeps rbx for itself, hence the exchange; the entry clears r8 to r11.
        unsafe {
            std::arch::asm!(
                "xchg {0:r}, rbx", "int 0x80", "xchg {0:r}, rbx",
                inout(reg) u64::from(first) => _, inout("rax") result, in("rcx") u64::from(second), in("rdx") 0_u64,
                in("rsi") 0_u64, in("rdi") 0_u64, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        // What it returns has 32 bits.
        let result = (result as u32).cast_signed();
        if result < 0 && result > -4096 { Err(-result) } else { Ok(()) }
    })
}

/// mount(2); None is a null pointer.
pub fn mount_at(source: &CStr, target: &CStr, kind: &CStr, flags: u64, data: Option<&CStr>) -> Result<(), Errno> {
    let data = data.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: all are C strings that live through the call, or null.
    let result = unsafe { mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

/// ioctl(2) whose argument is four bytes or null; the request may have more bits than the kernel looks at.
pub fn ioctl(fd: BorrowedFd<'_>, request: usize, argument: Option<&[u8; 4]>) -> Result<(), Errno> {
    ioctl_number(fd, request, argument.map_or(0, |bytes| std::ptr::from_ref(bytes) as usize)).map(drop)
}

/// ioctl(2) whose argument is a number.
pub fn ioctl_number(fd: BorrowedFd<'_>, request: usize, argument: usize) -> Result<usize, Errno> {
    call(number("ioctl"), [fd.as_raw_fd().cast_unsigned() as usize, request, argument])
}

/// A descriptor that a call has just made.
pub fn owned(descriptor: usize) -> OwnedFd {
    // SAFETY: callers pass what a system call has returned to them, which nobody else has.
    unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) }
}

/// The number of a call.
pub fn number(name: &str) -> usize {
    crate::numbers::all().find(|(_, known)| *known == name).map_or(usize::MAX >> 1, |(number, _)| number)
}

/// The address of a C string, for [`call`].
pub fn text(text: &CStr) -> usize {
    text.as_ptr() as usize
}

pub fn errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused(errno) => f.write_str(&name(*errno)),
            Self::Killed(31) => f.write_str("SIGSYS"),
            Self::Killed(signal) => write!(f, "signal-{signal}"),
            Self::Waits => f.write_str("waits"),
        }
    }
}

/// The kernel's name of an error.
pub fn name(errno: Errno) -> String {
    const FIRST: &str = "EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK \
        EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE \
        EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP";
    const SOME: [(Errno, &str); 10] = [
        (75, "EOVERFLOW"),
        (88, "ENOTSOCK"),
        (93, "EPROTONOSUPPORT"),
        (94, "ESOCKTNOSUPPORT"),
        (95, "EOPNOTSUPP"),
        (97, "EAFNOSUPPORT"),
        (126, "ENOKEY"),
        (127, "EKEYEXPIRED"),
        (128, "EKEYREVOKED"),
        (122, "EDQUOT"),
    ];
    let first = usize::try_from(errno).ok().and_then(|errno| FIRST.split_whitespace().nth(errno.checked_sub(1)?));
    let some = || SOME.iter().find(|(number, _)| *number == errno).map(|(_, name)| *name);
    first.or_else(some).map_or_else(|| format!("errno-{errno}"), str::to_owned)
}
