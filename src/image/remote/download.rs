//! Bringing what is large: into files without names, several at once, on from where a connection broke off.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, fstatvfs, unlinkat};

use super::client::{Body, Patience, Response, interrupted};
use super::retry::{BackOff, Failure};
use crate::error::{Context, Error, Result};
use crate::image::copy::Progress;
use crate::image::oci::digest::{Digest, Hasher};
use crate::image::oci::document::Descriptor;
use crate::image::staging::unique;
use crate::image::tree::access::create_file;

/// Connections at a time, as podman and docker have them.
const AT_ONCE: usize = 3;
/// An attempt that brought as much was none in vain.
const WORTH_IT: u64 = 64 << 10;
/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);

/// A body from a byte on.
pub type Open<'a> = dyn Fn(u64) -> Result<Response, Failure> + Sync + 'a;

/// Tells how many bytes have come, and whether more are wanted.
#[derive(Debug, Default)]
pub struct Shared {
    done: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    /// Bytes that have come.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

/// A file without a name below `dir`, which is gone with whoever has it open.
pub fn nameless(dir: BorrowedFd<'_>) -> Result<File> {
    let name = unique(".download-", "");
    let file = create_file(dir, &name, Mode::RUSR | Mode::WUSR).context("cannot create a file for what is fetched")?;
    unlinkat(dir, &*name, AtFlags::empty())?;
    Ok(File::from(file))
}

/// Is there room for so many bytes more?
pub fn refuse_without_room(dir: BorrowedFd<'_>, bytes: u64) -> Result<()> {
    let stat = fstatvfs(dir)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    match bytes > free {
        true => Err(Error::failed(format!("it has {bytes} bytes, and the store has room for {free}"))),
        false => Ok(()),
    }
}

/// Brings these blobs, each held against its digest. `open` begins one at a byte.
pub fn blobs(
    wanted: Vec<Descriptor>,
    dir: BorrowedFd<'_>,
    patience: Patience,
    open: &(dyn Fn(&Descriptor, u64) -> Result<Response, Failure> + Sync),
    progress: &mut Progress<'_>,
) -> Result<BTreeMap<Digest, File>> {
    let mut files = BTreeMap::new();
    let mut queue = Vec::new();
    for descriptor in wanted {
        if !files.contains_key(&descriptor.digest) {
            let file = nameless(dir)?;
            files.insert(descriptor.digest.clone(), file.try_clone()?);
            queue.push((descriptor, file));
        }
    }
    let total = queue.iter().map(|(descriptor, _)| descriptor.size).fold(0, u64::saturating_add);
    refuse_without_room(dir, total)?;
    let (workers, shared) = (queue.len().min(AT_ONCE), Shared::default());
    // The lowest first: it is unpacked first.
    queue.reverse();
    let queue = Mutex::new(queue);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<()> {
        while !shared.stop.load(Ordering::Relaxed)
            && let Some((blob, file)) = next()
        {
            let from = |at| open(&blob, at);
            let fetched = fetch(&from, file, blob.size, Some(&blob.digest), patience, &shared);
            fetched.with_context(|| format!("blob {}", blob.digest))?;
        }
        Ok(())
    };
    with_progress(workers, &work, &shared, &mut |done| progress(done, Some(total)))?;
    Ok(files)
}

/// Works in some threads, and tells from this one how far they are. The first failure stops the others.
pub fn with_progress(
    workers: usize,
    work: &(dyn Fn() -> Result<()> + Sync),
    shared: &Shared,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let (sender, ended) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(move || drop(sender.send(work())));
        }
        drop(sender);
        let mut failed = Ok(());
        loop {
            match ended.recv_timeout(TICK) {
                Ok(Ok(())) => {}
                Ok(error) => {
                    shared.stop.store(true, Ordering::Relaxed);
                    failed = failed.and(error);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return failed,
            }
            progress(shared.done());
        }
    })
}

/// Brings one file whole, and returns its digest, which has to be `wanted`.
pub fn fetch(
    open: &Open<'_>,
    file: File,
    size: u64,
    wanted: Option<&Digest>,
    patience: Patience,
    shared: &Shared,
) -> Result<Digest> {
    let mut part = Part { file, at: 0, size, sha: Hasher::default(), shared };
    let mut pause = BackOff::new(patience.pause);
    while part.at < size || size == 0 {
        let before = part.at;
        match open(part.at).and_then(|response| part.take(response)) {
            Ok(()) => break,
            Err(failure) => {
                if part.at >= before + WORTH_IT {
                    pause.reset();
                }
                if shared.stop.load(Ordering::Relaxed) {
                    return Err(failure.into_error());
                }
                pause.wait(failure)?;
            }
        }
    }
    let found = part.sha.finish();
    match wanted {
        Some(wanted) if *wanted != found => Err(Error::failed(format!("what came has the digest {found}"))),
        _ => Ok(found),
    }
}

/// The store does not take it.
fn full(error: std::io::Error) -> Failure {
    Failure::Final(Error::from(error))
}

/// What has come of a file.
struct Part<'a> {
    file: File,
    at: u64,
    size: u64,
    sha: Hasher,
    shared: &'a Shared,
}

impl Part<'_> {
    fn take(&mut self, response: Response) -> Result<(), Failure> {
        self.begin(&response)?;
        let mut body = response.into_body();
        let mut buffer = vec![0; 256 << 10];
        while self.at < self.size {
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(Error::failed("another part of it failed").into());
            }
            let most = usize::try_from(self.size - self.at).unwrap_or(usize::MAX).min(buffer.len());
            let length = body.read(&mut buffer[..most]).map_err(interrupted)?;
            if length == 0 {
                let message = format!("it breaks off after {} of {} bytes", self.at, self.size);
                return Err(Failure::Passing(Error::failed(message), None));
            }
            self.file.write_all(&buffer[..length]).map_err(full)?;
            self.sha.update(&buffer[..length]);
            self.at += length as u64;
            self.shared.done.fetch_add(length as u64, Ordering::Relaxed);
        }
        self.refuse_more(&mut body)
    }

    /// Goes on where the last attempt ended, or begins anew where the server cannot.
    fn begin(&mut self, response: &Response) -> Result<(), Failure> {
        if response.status.as_u16() == 206 {
            let wanted = format!("bytes {}-{}/{}", self.at, self.size.saturating_sub(1), self.size);
            return match response.header("content-range") {
                Some(range) if range.trim() == wanted => Ok(()),
                _ => Err(Error::failed("the server goes on at another place than it was asked to").into()),
            };
        }
        if let Some(length) = response.number("content-length").filter(|length| *length != self.size) {
            return Err(Error::failed(format!("the server has {length} bytes of it instead of {}", self.size)).into());
        }
        self.shared.done.fetch_sub(self.at, Ordering::Relaxed);
        (self.at, self.sha) = (0, Hasher::default());
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map(drop).map_err(full)
    }

    fn refuse_more(&self, body: &mut Body) -> Result<(), Failure> {
        // A server that says nothing more has said all that we need.
        match body.read(&mut [0]) {
            Ok(1) => Err(Error::failed(format!("it is longer than {} bytes", self.size)).into()),
            _ => Ok(()),
        }
    }
}
