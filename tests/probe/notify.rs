//! A message to the manager with a descriptor in it.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;

use crate::sys::{Errno, call, number};

/// `struct msghdr` of 64-bit machines.
#[repr(C)]
struct Message {
    name: usize,
    name_length: usize,
    parts: usize,
    count: usize,
    control: usize,
    control_length: usize,
    flags: usize,
}

/// `struct cmsghdr` and one descriptor.
#[repr(C)]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    descriptor: RawFd,
}

const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;

/// Sends to $NOTIFY_SOCKET, along with the root directory.
pub fn send(text: &str) -> Result<(), Errno> {
    let code = |error: std::io::Error| error.raw_os_error().unwrap_or(0);
    let socket = UnixDatagram::unbound().map_err(code)?;
    socket.connect(std::env::var_os("NOTIFY_SOCKET").unwrap_or_default()).map_err(code)?;
    let root = File::open("/").map_err(code)?;
    let part = [text.as_ptr() as usize, text.len()];
    let control = Control { length: 20, level: SOL_SOCKET, kind: SCM_RIGHTS, descriptor: root.as_raw_fd() };
    let message = Message {
        name: 0,
        name_length: 0,
        parts: part.as_ptr() as usize,
        count: 1,
        control: std::ptr::from_ref(&control) as usize,
        control_length: size_of::<Control>(),
        flags: 0,
    };
    let message = std::ptr::from_ref(&message) as usize;
    call(number("sendmsg"), [socket.as_raw_fd() as usize, message, 0]).map(drop)
}
