//! One blocking rtnetlink socket: requests go out together, and each acknowledgement finds the request that it answers.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, send, setsockopt, socket,
};
use nix::{libc, setsockopt_impl, sockopt_impl};

use crate::error::{Context, Error, Result};

// The kernel's refusal in words, and no echo of the request before it.
sockopt_impl!(ExtendedAck, SetOnly, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, bool);
sockopt_impl!(CappedAck, SetOnly, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, bool);

/// Acknowledgements wait in the socket's buffer until send() returns; about 270 fill the default one (ENOBUFS).
const BATCH: usize = 64;
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// One message, with the words that its failure is told in.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The action, as in "cannot add address 10.88.0.2/24 to eth0".
    pub action: String,
    /// What the kernel is asked.
    pub message: RouteNetlinkMessage,
    /// NLM_F_CREATE and the like; NLM_F_REQUEST and NLM_F_ACK go without saying.
    pub flags: u16,
    /// An answer as good as success, such as EAFNOSUPPORT where the kernel has no IPv6.
    pub tolerated: Option<Errno>,
}

/// The kernel's refusal of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error number.
    pub errno: Errno,
    /// The text of the extended acknowledgement, if the kernel gave one.
    pub text: Option<String>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, text: None }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let cause = Error::from(refusal.errno);
        let detail = refusal.text.map(|text| format!(" ({})", text.trim_end_matches('.'))).unwrap_or_default();
        Error::new(cause.exit(), format_args!("{cause}{detail}"))
    }
}

/// The socket. It belongs to the network namespace of the thread that opened it, for ever.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// A socket in the caller's network namespace that hears the multicast `groups` (RTMGRP_*).
    pub fn open(groups: u32) -> Result<Self> {
        let open = || -> nix::Result<OwnedFd> {
            let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
            setsockopt(&fd, ExtendedAck, &true)?;
            setsockopt(&fd, CappedAck, &true)?;
            bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
            Ok(fd)
        };
        // The kernel cuts a dump into parts of at most 32 KiB.
        Ok(Self { fd: open().context("cannot open a netlink socket")?, sequence: 0, buffer: vec![0; 32 * 1024] })
    }

    /// Carries out all `requests`; the error is the first refusal, in the words of its request.
    pub fn run(&mut self, requests: &[Request]) -> Result<()> {
        for chunk in requests.chunks(BATCH) {
            if let Err((index, refusal)) = self.batch(chunk) {
                return Err(refusal).context(&chunk[index].action);
            }
        }
        Ok(())
    }

    /// Carries out one request, its refusal kept apart for those who can do something about it.
    pub fn one(&mut self, request: &Request) -> Result<(), Refusal> {
        self.batch(std::slice::from_ref(request)).map_err(|(_, refusal)| refusal)
    }

    /// Asks a question, and returns the payload of each message of the answer.
    pub fn query(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<Vec<Vec<u8>>, Refusal> {
        let (sequence, mut answer) = (self.sequence, Vec::new());
        let mut bytes = Vec::new();
        self.encode(&mut bytes, message, flags)?;
        self.send(&bytes)?;
        loop {
            let read = self.receive()?;
            for (header, payload) in Messages(&self.buffer[..read]) {
                match header.kind {
                    _ if header.sequence != sequence => {}
                    NLMSG_DONE => return Ok(answer),
                    NLMSG_ERROR => return refusal(header.flags, payload).map_or(Ok(answer), Err),
                    _ => answer.push(payload.to_vec()),
                }
            }
        }
    }

    /// Waits for, and drops, what the multicast groups tell: who listens asks again afterwards.
    pub fn drain(&mut self) {
        // ENOBUFS says that something was missed, which is news as well.
        let _ = self.receive();
    }

    fn batch(&mut self, requests: &[Request]) -> Result<(), (usize, Refusal)> {
        let (first, mut bytes) = (self.sequence, Vec::new());
        for (index, request) in requests.iter().enumerate() {
            self.encode(&mut bytes, request.message.clone(), request.flags).map_err(|e| (index, e.into()))?;
        }
        self.send(&bytes).map_err(|errno| (0, errno.into()))?;
        let (mut pending, mut worst) = (requests.len(), None::<(usize, Refusal)>);
        while pending > 0 {
            let read = self.receive().map_err(|errno| (0, errno.into()))?;
            for (header, payload) in Messages(&self.buffer[..read]) {
                let index = header.sequence.wrapping_sub(first) as usize;
                if header.kind != NLMSG_ERROR || index >= requests.len() {
                    continue;
                }
                pending -= 1;
                match refusal(header.flags, payload) {
                    Some(no) if worst.is_none() && Some(no.errno) != requests[index].tolerated => {
                        worst = Some((index, no));
                    }
                    _ => {}
                }
            }
        }
        worst.map_or(Ok(()), Err)
    }

    fn encode(&mut self, bytes: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) -> Result<(), Errno> {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        message.header.sequence_number = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        message.finalize();
        let (start, length) = (bytes.len(), message.buffer_len());
        // The length of an attribute is 16 bits and would wrap silently (CVE-2021-43784).
        if length > usize::from(u16::MAX) {
            return Err(Errno::EMSGSIZE);
        }
        bytes.resize(start + length.next_multiple_of(4), 0);
        message.serialize(&mut bytes[start..start + length]);
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        send(self.fd.as_raw_fd(), bytes, MsgFlags::empty()).map(drop)
    }

    /// One datagram from the kernel into the buffer; datagrams of other processes are dropped.
    fn receive(&mut self) -> Result<usize, Errno> {
        loop {
            match recvfrom::<NetlinkAddr>(self.fd.as_raw_fd(), &mut self.buffer) {
                Ok((read, Some(from))) if from.pid() == 0 => return Ok(read),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What is read of struct nlmsghdr.
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// The messages of one datagram; a length that does not fit ends them.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (Header, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = u32_at(self.0, 0)? as usize;
        let message = self.0.get(..length).filter(|_| length >= HEADER)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        let kind_and_flags = u32_at(message, 4)?.to_ne_bytes();
        let [k0, k1, f0, f1] = kind_and_flags;
        let header = Header {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32_at(message, 8)?,
        };
        Some((header, &message[HEADER..]))
    }
}

/// The native-endian u32 at `offset`.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..offset + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// What a struct nlmsgerr says: none for an acknowledgement.
fn refusal(flags: u16, payload: &[u8]) -> Option<Refusal> {
    let code = u32_at(payload, 0).map_or(-libc::EBADMSG, u32::cast_signed);
    if code == 0 {
        return None;
    }
    let echoed = if flags & NLM_F_CAPPED == 0 { u32_at(payload, 4).unwrap_or(0) as usize } else { HEADER };
    let attributes = payload.get(4 + echoed.next_multiple_of(4)..).filter(|_| flags & NLM_F_ACK_TLVS != 0);
    let text = NlasIterator::new(attributes.unwrap_or_default())
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
        .map(|attribute| String::from_utf8_lossy(attribute.value()).trim_end_matches('\0').to_owned());
    Some(Refusal { errno: Errno::from_raw(code.wrapping_neg()), text })
}
