//! What the runner tells systemd (sd_notify(3)), and what it passes on of what the payload says.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, bind, recvmsg, sendmsg_addr, socket_with,
};

use crate::definition::types::escaped;
use crate::error::{Context, Error, Result};

/// systemd's end: the socket named by NOTIFY_SOCKET.
#[derive(Debug)]
pub struct Manager {
    socket: OwnedFd,
    address: SocketAddrUnix,
}

impl Manager {
    /// The manager that started us.
    pub fn from_environment() -> Result<Self> {
        let name = std::env::var("NOTIFY_SOCKET")
            .map_err(|_| Error::failed("NOTIFY_SOCKET is not set: the runner is started by systemd, see soute(8)"))?;
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
            None => SocketAddrUnix::new(name.as_str()),
        };
        let socket = datagram_socket()?;
        Ok(Self { socket, address: address.context("cannot use NOTIFY_SOCKET")? })
    }

    /// Where it listens, in the host's file system.
    pub fn path() -> Result<PathBuf> {
        let path = std::env::var_os("NOTIFY_SOCKET").map(PathBuf::from).filter(|path| path.is_absolute());
        path.ok_or_else(|| Error::failed("systemd's notify socket is no file, and cannot be had in a container"))
    }

    /// Sends assignments, one a line.
    pub fn tell(&self, text: &str) -> Result<()> {
        self.send(text, &mut SendAncillaryBuffer::default())
    }

    /// Returns when systemd has dealt with everything sent so far: it closes the descriptor that comes with BARRIER=1.
    pub fn barrier(&self) -> Result<()> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("cannot make a pipe")?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [write.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        self.send("BARRIER=1", &mut control)?;
        drop(write);
        let deadline = Timespec { tv_sec: 30, tv_nsec: 0 };
        let mut waiting = [PollFd::new(&read, PollFlags::empty())];
        match rustix::io::retry_on_intr(|| poll(&mut waiting, Some(&deadline))) {
            Ok(1..) => Ok(()),
            Ok(0) => Err(Error::failed("systemd has not answered BARRIER=1 within 30 s")),
            Err(errno) => Err(errno).context("cannot wait for systemd"),
        }
    }

    fn send(&self, text: &str, control: &mut SendAncillaryBuffer<'_, '_, '_>) -> Result<()> {
        sendmsg_addr(&self.socket, &self.address, &[IoSlice::new(text.as_bytes())], control, SendFlags::NOSIGNAL)
            .map(drop)
            .context("cannot notify systemd")
    }
}

/// The payload's notify socket: private, and dead once READY=1 has been passed on.
#[derive(Debug)]
pub struct PayloadSocket(OwnedFd);

impl PayloadSocket {
    /// Listens at `path`, which is bound into the container; anyone in there may write.
    pub fn bind(path: &Path) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let _ = std::fs::remove_file(path);
        let listen = || -> std::io::Result<OwnedFd> {
            let socket = datagram_socket().map_err(std::io::Error::other)?;
            bind(&socket, &SocketAddrUnix::new(path)?)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
            Ok(socket)
        };
        listen().map(Self).with_context(|| format!("cannot listen at {}", path.display()))
    }

    /// Waits for the next thing that is passed on. Only READY=1 and STATUS= are: MAINPID=, FDSTORE= and the like would
    /// let a payload act on the unit.
    pub fn hear(&self) -> Result<Vec<String>> {
        let mut bytes = [0; 4096];
        let received = rustix::io::retry_on_intr(|| {
            let mut none = rustix::net::RecvAncillaryBuffer::default();
            recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut none, RecvFlags::empty())
        })
        .context("cannot hear the payload")?;
        Ok(passed_on(&bytes[..received.bytes]))
    }
}

impl AsFd for PayloadSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The lines of a payload's message that systemd may see.
fn passed_on(message: &[u8]) -> Vec<String> {
    let line = |line: &str| match line.split_once('=') {
        Some(("READY", "1")) => Some("READY=1".to_owned()),
        Some(("STATUS", text)) => {
            let clean: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
            Some(format!("STATUS={}", escaped(&clean)))
        }
        _ => None,
    };
    String::from_utf8_lossy(message).lines().filter_map(line).collect()
}

fn datagram_socket() -> Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).context("cannot make a socket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ready_and_status_are_passed_on() {
        let message = b"MAINPID=1\nREADY=1\nSTATUS=two \x1b[31mred\nFDSTORE=1\nREADY=0\nWATCHDOG=trigger";
        assert_eq!(passed_on(message), ["READY=1", "STATUS=two [31mred"]);
    }

    #[test]
    fn a_status_is_cut_at_200_characters() {
        let message = format!("STATUS={}", "é".repeat(1000));
        assert_eq!(passed_on(message.as_bytes()), [format!("STATUS={}", "é".repeat(200))]);
    }
}
