//! PID 1 of a container with `init = "reaper"`: `soute-reaper PID`. It reaps orphans, passes every signal on to PID, its
//! payload, and ends as that does, but not before the other end of descriptor 3 is closed: by then systemd knows that the
//! container was ready, and will not take a payload that ended at once for one that never started.
//!
//! It stays for as long as the container runs, so it is a program of its own without any library: a few pages of memory,
//! where one with Rust's standard library and libc takes a megabyte. All signals are blocked when it is started.

#![no_std]
#![no_main]
#![allow(unsafe_code)]

use core::arch::{asm, global_asm};
use core::panic::PanicInfo;

#[cfg(target_arch = "x86_64")]
mod number {
    pub const READ: usize = 0;
    pub const KILL: usize = 62;
    pub const WAIT4: usize = 61;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const EXIT_GROUP: usize = 231;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const READ: usize = 63;
    pub const KILL: usize = 129;
    pub const WAIT4: usize = 260;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const EXIT_GROUP: usize = 94;
}

const SIGCHLD: usize = 17;
const WNOHANG: usize = 1;
/// Size of the kernel's sigset_t.
const SIGSET: usize = 8;

// The kernel starts a program with the stack pointer at argc, argv above it.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "mov rdi, rsp", "and rsp, -16", "call {run}", "ud2", run = sym run);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {run}", "brk 1", run = sym run);

/// A system call with up to four arguments.
fn call(number: usize, [a, b, c, d]: [usize; 4]) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the architecture's system call convention, syscall(2); every pointer that is
    // passed here is to a value that outlives the call, or null.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, options(nostack));
    }
    result
}

fn exit(status: usize) -> ! {
    loop {
        call(number::EXIT_GROUP, [status, 0, 0, 0]);
    }
}

/// # Safety
/// `stack` is where the kernel has put argc and argv.
unsafe extern "C" fn run(stack: *const usize) -> ! {
    // SAFETY: argc is at `stack`, argv[0] and argv[1] follow; argv[argc] is null.
    let (count, first) = unsafe { (*stack, *stack.add(2) as *const u8) };
    let payload = if count == 2 { decimal(first) } else { 0 };
    if payload < 2 {
        exit(2);
    }
    let every = !0_u64;
    loop {
        reap(payload);
        let set = &raw const every as usize;
        match call(number::RT_SIGTIMEDWAIT, [set, 0, 0, SIGSET]) {
            signal @ 1.. if signal.unsigned_abs() != SIGCHLD => {
                call(number::KILL, [payload, signal.unsigned_abs(), 0, 0]);
            }
            _ => {}
        }
    }
}

fn reap(payload: usize) {
    loop {
        let mut status = 0_i32;
        let ended = call(number::WAIT4, [usize::MAX, &raw mut status as usize, WNOHANG, 0]);
        if ended <= 0 {
            return;
        }
        if ended.unsigned_abs() == payload {
            let (signal, code) = (status & 0x7f, (status >> 8) & 0xff);
            // The kernel lets no signal of its own end PID 1, so the shell's convention has to say it.
            let shown = if signal == 0 { code } else { 128 + signal };
            let mut byte = 0_u8;
            // Nothing is ever said there: this returns at the end, and at once where there is no such descriptor.
            call(number::READ, [3, &raw mut byte as usize, 1, 0]);
            exit(shown.unsigned_abs() as usize);
        }
    }
}

fn decimal(text: *const u8) -> usize {
    let mut number = 0_usize;
    for place in 0..10 {
        // SAFETY: an argument is a C string, and nothing behind its end is read.
        match unsafe { *text.add(place) } {
            digit @ b'0'..=b'9' => number = number * 10 + usize::from(digit - b'0'),
            _ => break,
        }
    }
    number
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(101)
}
