//! The smallest runtime that zbus runs on: one thread, poll(2), nothing between two calls.
//!
//! zbus' own runtime starts a helper thread whenever no call is being waited for. This one does not, so a process that
//! has spoken D-Bus may still fork, and a start saves the thread.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, Pending, pending};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zbus::runtime::traits::{self, PollIo, TaskHandle};
use zbus::runtime::{Interest, IoSource};

/// The thread that runs everything, for as long as this lives.
#[derive(Default)]
pub(super) struct Executor(Runtime);

/// A handle to the runtime, for connections.
#[derive(Clone, Default)]
pub(super) struct Runtime(Arc<Shared>);

#[derive(Default)]
struct Shared {
    ready: Mutex<VecDeque<Arc<Task>>>,
    waiting: Mutex<Vec<Waiting>>,
    /// The executor is gone: nothing will run any more.
    over: AtomicBool,
}

/// Somebody waits for a descriptor.
struct Waiting {
    source: IoSource,
    events: PollFlags,
    waker: Waker,
}

impl Executor {
    /// A handle for a connection.
    pub(super) fn runtime(&self) -> Runtime {
        self.0.clone()
    }

    /// Runs `future` to its end, and everything that was spawned along with it.
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let shared = &self.0.0;
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if woken.0.swap(false, Ordering::AcqRel)
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                return output;
            }
            let tasks = mem::take(&mut *lock(&shared.ready));
            if tasks.is_empty() && !woken.0.load(Ordering::Acquire) {
                shared.wait();
            }
            tasks.iter().for_each(Task::run);
        }
    }
}

impl Drop for Executor {
    /// Tasks own connections, which own the runtime, which owns the tasks: this breaks the circle and closes them.
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.over.store(true, Ordering::Release);
        let tasks = mem::take(&mut *lock(&shared.ready));
        let waiting = mem::take(&mut *lock(&shared.waiting));
        drop((tasks, waiting));
    }
}

impl Shared {
    /// Wakes a task once, when one of `events` has come to a descriptor.
    fn wake(&self, source: &IoSource, events: PollFlags, context: &Context<'_>) {
        let mut waiting = lock(&self.waiting);
        waiting.retain(|wait| (wait.source.as_raw_fd(), wait.events) != (source.as_raw_fd(), events));
        waiting.push(Waiting { source: source.clone(), events, waker: context.waker().clone() });
    }

    /// Waits until a descriptor is ready. No other thread wakes anything here, so nothing else can happen.
    fn wait(&self) {
        let mut waiting = mem::take(&mut *lock(&self.waiting));
        assert!(!waiting.is_empty(), "a D-Bus call waits for something that nobody will do");
        let mut fds: Vec<_> = waiting.iter().map(|wait| PollFd::new(wait.source.as_fd(), wait.events)).collect();
        while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        drop(fds);
        let mut ready = ready.into_iter();
        waiting.retain(|wait| {
            let is_ready = ready.next().unwrap_or(true);
            if is_ready {
                wait.waker.wake_by_ref();
            }
            !is_ready
        });
        lock(&self.waiting).append(&mut waiting);
    }
}

impl Runtime {
    /// Watches a descriptor that is in non-blocking mode.
    pub(super) fn watch(&self, source: IoSource) -> Source {
        Source { source, shared: Arc::downgrade(&self.0) }
    }

    /// Whether one of `events`, an error or a hang-up has come to a descriptor; if not, the task is woken when it has.
    pub(super) fn poll_events(&self, source: &IoSource, events: PollFlags, context: &Context<'_>) -> bool {
        let mut one = [PollFd::new(source.as_fd(), events)];
        let has_come = poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
        if !has_come {
            self.0.wake(source, events, context);
        }
        has_come
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A descriptor and those who wait for it.
pub(super) struct Source {
    source: IoSource,
    shared: Weak<Shared>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl PollIo for Source {
    fn poll_io<T>(
        &self,
        context: &mut Context<'_>,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
        let events = if interest == Interest::Readable { PollFlags::POLLIN } else { PollFlags::POLLOUT };
        let Some(shared) = self.shared.upgrade() else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        shared.wake(&self.source, events, context);
        Poll::Pending
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A spawned future; none when it is over, cancelled, or being polled.
struct Task {
    work: Mutex<Option<Work>>,
    cancelled: AtomicBool,
    shared: Weak<Shared>,
}

impl Task {
    fn run(self: &Arc<Self>) {
        let Some(mut work) = lock(&self.work).take() else { return };
        let waker = Waker::from(self.clone());
        if work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() && !self.cancelled.load(Ordering::Acquire)
        {
            *lock(&self.work) = Some(work);
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            lock(&shared.ready).push_back(self);
        }
    }
}

/// What a task has come to, and who asked.
struct Outcome<T> {
    value: Option<T>,
    asker: Option<Waker>,
}

/// A handle to a task, which dropping cancels.
pub(super) struct Spawned<T> {
    task: Option<Arc<Task>>,
    outcome: Arc<Mutex<Outcome<T>>>,
}

impl<T> Future for Spawned<T> {
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut outcome = lock(&self.outcome);
        if let Some(value) = outcome.value.take() {
            return Poll::Ready(Ok(value));
        }
        outcome.asker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T: Send + 'static> TaskHandle<T> for Spawned<T> {
    fn detach(mut self) {
        self.task = None;
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.cancelled.store(true, Ordering::Release);
            // Outside of the lock: what the future owns may wake or drop other tasks.
            let work = lock(&task.work).take();
            drop(work);
        }
    }
}

impl traits::Runtime for Runtime {
    type RegisteredIoSource = Source;
    // Only a method timeout would sleep, and we set none: a job takes as long as it takes.
    type Sleep = Pending<()>;
    type Task<T>
        = Spawned<T>
    where
        T: Send + 'static;

    fn register_io_source(&self, source: IoSource) -> io::Result<Source> {
        Ok(self.watch(source))
    }

    fn sleep(&self, _duration: Duration) -> Pending<()> {
        pending()
    }

    fn spawn<T>(&self, _name: &str, future: impl Future<Output = T> + Send + 'static) -> Spawned<T>
    where
        T: Send + 'static,
    {
        let outcome = Arc::new(Mutex::new(Outcome { value: None, asker: None }));
        let slot = outcome.clone();
        let work: Work = Box::pin(async move {
            let value = future.await;
            let asker = {
                let mut slot = lock(&slot);
                slot.value = Some(value);
                slot.asker.take()
            };
            asker.into_iter().for_each(Waker::wake);
        });
        let shared = Arc::downgrade(&self.0);
        let over = self.0.over.load(Ordering::Acquire);
        let task =
            Arc::new(Task { work: Mutex::new((!over).then_some(work)), cancelled: AtomicBool::new(over), shared });
        if !over {
            lock(&self.0.ready).push_back(task.clone());
        }
        Spawned { task: Some(task), outcome }
    }

    async fn connect_tcp(&self, _address: SocketAddr) -> io::Result<IoSource> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<IoSource> {
        // A local connect does not block but while the listener's backlog is full, and then we would wait anyway.
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        Ok(OwnedFd::from(stream).into())
    }

    fn spawn_process(
        &self,
        _command: Command,
        _stdin: Stdio,
        _stdout: Stdio,
        _stderr: Stdio,
    ) -> io::Result<Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send + 'static>>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
