//! The wire between the runner and the process that becomes the payload: one SOCK_SEQPACKET pair, both ends close-on-exec.
//!
//! ```text
//! runner                                payload-to-be
//!   ── Mapped ──▶                         ids are in force, the mounts show them
//!   ── Wired ──▶                          the links are there
//!                          ◀── Built ──
//!   (MAINPID= sent, barrier passed)
//!   ── Go ──▶
//!                          ◀── end of file: execve(2) has closed it   or   CannotExecute(text)
//! ```

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, send, sendmsg, socketpair,
};

use crate::error::{Context, Error, Exit, Result};

/// Longer error texts are cut; a datagram of this size always fits.
const TEXT: usize = 4000;

/// What is said on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The id map is written and the prepared mounts show it.
    Mapped,
    /// The links are in the network namespace.
    Wired,
    /// Everything is built but for the last step.
    Built,
    /// Take the last step.
    Go,
    /// A command runs in the container under this number of the host's.
    Started(i32),
    /// The master of the command's terminal, which comes along: see [`Channel::hand`].
    Terminal,
    /// It failed; what to tell the user.
    Failed(String),
    /// The program could not be executed: whether it is there at all, and what to tell the user.
    CannotExecute(Exit, String),
    /// The other end is gone: by execve, or by death.
    Closed,
}

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Both ends.
    pub fn pair() -> Result<(Self, Self)> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context("cannot make a socket pair")?;
        Ok((Self(a), Self(b)))
    }

    /// Says something; what nobody hears any more is an error.
    pub fn say(&self, message: &Message) -> Result<()> {
        let number;
        let (tag, text): (u8, &str) = match message {
            Message::Started(pid) => {
                number = pid.to_string();
                (b's', &number)
            }
            Message::Mapped => (b'm', ""),
            Message::Wired => (b'w', ""),
            Message::Built => (b'b', ""),
            Message::Go => (b'g', ""),
            Message::Terminal => (b't', ""),
            Message::Failed(text) => (b'f', text),
            Message::CannotExecute(Exit::CommandNotFound, text) => (b'n', text),
            Message::CannotExecute(Exit::CannotInvoke, text) => (b'x', text),
            Message::CannotExecute(_, text) => (b'f', text),
            Message::Closed => return Ok(()),
        };
        let mut bytes = vec![tag];
        bytes.extend(text.bytes().take(TEXT));
        match send(&self.0, &bytes, SendFlags::NOSIGNAL) {
            // The other side has failed and gone; its last words say why.
            // The second where it has gone without reading what it was told before.
            Err(Errno::PIPE | Errno::CONNRESET) => match self.hear()? {
                Message::Failed(text) | Message::CannotExecute(_, text) => Err(Error::failed(text)),
                _ => Err(Error::failed("the other side of the sandbox has gone")),
            },
            other => other.map(drop).context("cannot speak to the other side of the sandbox"),
        }
    }

    /// Says [`Message::Terminal`] and hands the master over with it.
    pub fn hand(&self, master: BorrowedFd<'_>) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let rights = [master];
        ancillary.push(SendAncillaryMessage::ScmRights(&rights));
        sendmsg(&self.0, &[IoSlice::new(b"t")], &mut ancillary, SendFlags::NOSIGNAL)
            .map(drop)
            .context("cannot hand the terminal over")
    }

    /// The next message; [`Message::Closed`] at the end.
    pub fn hear(&self) -> Result<Message> {
        self.receive().map(|(message, _)| message)
    }

    /// The next message, and the descriptor that came with it.
    pub fn receive(&self) -> Result<(Message, Option<OwnedFd>)> {
        let mut bytes = [0; TEXT + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut receive = || {
            rustix::io::retry_on_intr(|| {
                recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            })
        };
        let received = match receive() {
            // The other end has gone and has not read all of ours. The kernel says so once, before its last words.
            Err(Errno::CONNRESET) => receive(),
            other => other,
        };
        let length = received.context("cannot hear the other side of the sandbox")?.bytes;
        let fd = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        Ok((parse(&bytes[..length])?, fd))
    }

    /// The next message, which must be this one.
    pub fn expect(&self, wanted: &Message) -> Result<()> {
        match self.hear()? {
            heard if heard == *wanted => Ok(()),
            Message::Failed(text) | Message::CannotExecute(_, text) => Err(Error::failed(text)),
            Message::Closed => Err(Error::failed("the other side of the sandbox has gone")),
            other => Err(Error::failed(format!("heard {other:?} from the sandbox in place of {wanted:?}"))),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Message> {
    let Some((tag, text)) = bytes.split_first() else { return Ok(Message::Closed) };
    let text = || String::from_utf8_lossy(text).into_owned();
    Ok(match tag {
        b'm' => Message::Mapped,
        b'w' => Message::Wired,
        b'b' => Message::Built,
        b'g' => Message::Go,
        b't' => Message::Terminal,
        b's' => Message::Started(text().parse().map_err(Error::failed)?),
        b'f' => Message::Failed(text()),
        b'n' => Message::CannotExecute(Exit::CommandNotFound, text()),
        b'x' => Message::CannotExecute(Exit::CannotInvoke, text()),
        other => return Err(Error::failed(format!("the other side of the sandbox said {other:#x}"))),
    })
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_end_is_heard_as_closed() {
        let (near, far) = Channel::pair().unwrap();
        near.say(&Message::Failed("cannot mount /proc".into())).unwrap();
        drop(near);
        assert_eq!(far.hear().unwrap(), Message::Failed("cannot mount /proc".into()));
        assert_eq!(far.hear().unwrap(), Message::Closed);
    }

    #[test]
    fn a_failure_in_place_of_what_was_expected_is_that_failure() {
        let (near, far) = Channel::pair().unwrap();
        near.say(&Message::Failed("no such user: www".into())).unwrap();
        assert_eq!(far.expect(&Message::Built).unwrap_err().to_string(), "no such user: www");
    }

    #[test]
    fn a_descriptor_comes_with_its_message() {
        let (near, far) = Channel::pair().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        near.hand(std::os::fd::AsFd::as_fd(&write)).unwrap();
        let (message, fd) = far.receive().unwrap();
        assert_eq!(message, Message::Terminal);
        rustix::io::write(fd.unwrap(), b"x").unwrap();
        assert_eq!(rustix::io::read(&read, &mut [0; 9]).unwrap(), 1);
    }

    #[test]
    fn who_speaks_to_a_side_that_failed_hears_why() {
        let (near, far) = Channel::pair().unwrap();
        far.say(&Message::Failed("cannot mount /sys".into())).unwrap();
        drop(far);
        assert_eq!(near.say(&Message::Wired).unwrap_err().to_string(), "cannot mount /sys");
    }

    #[test]
    fn the_last_words_of_a_side_that_did_not_listen_are_heard() {
        let (near, far) = Channel::pair().unwrap();
        near.say(&Message::Wired).unwrap();
        far.say(&Message::Failed("cannot mount /dev".into())).unwrap();
        drop(far);
        assert_eq!(near.hear().unwrap(), Message::Failed("cannot mount /dev".into()));
        assert_eq!(near.hear().unwrap(), Message::Closed);
    }

    #[test]
    fn who_speaks_again_to_a_side_that_failed_without_listening_hears_why() {
        let (near, far) = Channel::pair().unwrap();
        near.say(&Message::Mapped).unwrap();
        far.say(&Message::Failed("cannot label".into())).unwrap();
        drop(far);
        assert_eq!(near.say(&Message::Wired).unwrap_err().to_string(), "cannot label");
    }

    #[test]
    fn a_long_text_is_cut_not_refused() {
        let (near, far) = Channel::pair().unwrap();
        near.say(&Message::Failed("x".repeat(100_000))).unwrap();
        assert_eq!(far.hear().unwrap(), Message::Failed("x".repeat(TEXT)));
    }
}
