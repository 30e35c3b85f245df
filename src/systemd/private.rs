//! PID 1's private socket.
//!
//! systemd signs its messages there as "org.freedesktop.systemd1" (src/core/dbus.c, sd_bus_set_sender), which the
//! D-Bus specification does not allow, since senders are unique names; zbus then drops the connection. So this socket
//! changes the first letter of the sender to a colon, in the header of each message as it comes in.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use nix::sys::socket::{ControlMessage, MsgFlags, Shutdown, sendmsg, shutdown};
use zbus::Message;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zbus::runtime::Interest;
use zbus::runtime::traits::PollIo;

use super::header;
use super::runtime::{Runtime, Source};

/// A connected socket.
pub(super) struct Private(Arc<Source>);

impl Private {
    pub(super) fn connect(path: &Path, runtime: &Runtime) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        Ok(Self(Arc::new(runtime.watch(OwnedFd::from(stream).into()))))
    }
}

impl Socket for Private {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let raw = Raw { source: self.0.clone(), messages: false, bytes: vec![], open: 0 };
        Split::new(Reader(raw), Writer(self.0))
    }
}

/// The half that PID 1 writes to.
#[derive(Debug)]
pub(super) struct Reader(Raw);

#[async_trait]
impl ReadHalf for Reader {
    async fn receive_message(
        &mut self,
        sequence: u64,
        early: &mut Vec<u8>,
        fds: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        if !self.0.messages {
            self.0.messages = true;
            self.0.bytes = mem::take(early);
        }
        self.0.receive_message(sequence, early, fds).await
    }

    // The handshake, which is lines of text.
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.0.recvmsg(buffer).await
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

/// Bytes of the socket, which are handed out from the moment that they belong to a message with a proper sender.
#[derive(Debug)]
struct Raw {
    source: Arc<Source>,
    /// The handshake is over.
    messages: bool,
    bytes: Vec<u8>,
    /// How many more bytes belong to the message whose header has been seen to.
    open: usize,
}

impl Raw {
    async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| {
            self.source
                .poll_io(context, Interest::Readable, || Ok(rustix::io::read(self.source.as_fd(), &mut *buffer)?))
        })
        .await
    }
}

#[async_trait]
impl ReadHalf for Raw {
    // No call of ours is answered with a descriptor, so none is received.
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        if !self.messages {
            return Ok((self.read(buffer).await?, vec![]));
        }
        while self.open == 0 {
            if let Some(length) = header::name_sender(&mut self.bytes)? {
                self.open = length;
                break;
            }
            let mut more = [0; 8192];
            let count = self.read(&mut more).await?;
            if count == 0 {
                return Ok((0, vec![]));
            }
            self.bytes.extend_from_slice(&more[..count]);
        }
        let count = if self.bytes.is_empty() {
            let most = buffer.len().min(self.open);
            self.read(&mut buffer[..most]).await?
        } else {
            let count = buffer.len().min(self.open).min(self.bytes.len());
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes.drain(..count);
            count
        };
        self.open -= count;
        Ok((count, vec![]))
    }
}

/// The half that PID 1 reads from.
#[derive(Debug)]
pub(super) struct Writer(Arc<Source>);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let fds: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let control = if fds.is_empty() { &[][..] } else { &rights };
        poll_fn(|context| {
            self.0.poll_io(context, Interest::Writable, || {
                let socket = self.0.as_fd().as_raw_fd();
                Ok(sendmsg::<()>(socket, &[IoSlice::new(buffer)], control, MsgFlags::MSG_NOSIGNAL, None)?)
            })
        })
        .await
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(shutdown(self.0.as_fd().as_raw_fd(), Shutdown::Both)?)
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}
