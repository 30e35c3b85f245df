//! One connection to PID 1: its private socket, or the system bus.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::connection::Builder;
use zbus::{Connection, DynamicType, Message, OwnedVariant, Type};

use super::escape::unit_path;
use super::failure::Failure;
use super::private::Private;
use super::runtime::{Executor, Runtime};

const PRIVATE: &str = "/run/systemd/private";
const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub(super) const UNIT: &str = "org.freedesktop.systemd1.Unit";
pub(super) const SERVICE: &str = "org.freedesktop.systemd1.Service";
pub(super) const SLICE: &str = "org.freedesktop.systemd1.Slice";
pub(super) const SOCKET: &str = "org.freedesktop.systemd1.Socket";

/// A live connection.
///
/// PID 1 sends every signal of every unit over its private socket, and stops telling anybody of changes while more than
/// 1024 messages wait to be read (MANAGER_BUS_BUSY_THRESHOLD in src/core/dbus.h). So a connection lives as long as one
/// operation, during which it is read all the time.
pub(super) struct Bus {
    pub(super) connection: Connection,
    /// PID 1 itself is at the other end, and sends every signal without being asked.
    pub(super) private: bool,
    // Dropped last: it ends what the connection has left running.
    executor: Executor,
}

impl Bus {
    /// Root talks to PID 1 without a broker: a quarter of the latency, no limit of 128 pending calls, and it works
    /// while dbus-daemon is down. Everyone else goes over the bus, where polkit decides.
    pub(super) fn open() -> Result<Self, Failure> {
        Self::over(rustix::process::geteuid().is_root() && Path::new(PRIVATE).exists())
    }

    /// For who listens for long, and may be slow to read: the bus keeps what comes meanwhile, for this connection alone.
    /// Over the private socket everybody's signals would wait. Root has that one where there is no bus.
    pub(super) fn open_shared() -> Result<Self, Failure> {
        Self::over(false).or_else(|failure| match failure {
            Failure::Lost(_) if Path::new(PRIVATE).exists() => Self::open(),
            failure => Err(failure),
        })
    }

    fn over(private: bool) -> Result<Self, Failure> {
        let executor = Executor::default();
        let builder = if private {
            let socket = Private::connect(Path::new(PRIVATE), &executor.runtime()).map_err(zbus::Error::from)?;
            Builder::socket(socket).p2p()
        } else {
            Builder::system()
        };
        let connection = executor.block_on(builder.runtime(executor.runtime()).build())?;
        let bus = Self { connection, private, executor };
        if !private {
            // Over the bus, PropertiesChanged is sent only while somebody has subscribed.
            bus.block_on(bus.manager::<()>("Subscribe", &()))?;
        }
        Ok(bus)
    }

    pub(super) fn runtime(&self) -> Runtime {
        self.executor.runtime()
    }

    /// Runs calls on this connection to their end.
    pub(super) fn block_on<T>(&self, calls: impl Future<Output = T>) -> T {
        self.executor.block_on(calls)
    }

    /// Calls a method of the manager and reads its reply.
    pub(super) async fn manager<R>(&self, method: &str, body: &(impl Serialize + DynamicType)) -> Result<R, Failure>
    where
        R: DeserializeOwned + Type,
    {
        read(&self.reply(method, body).await?)
    }

    /// The same with the message, which has its place among the signals.
    pub(super) async fn reply(&self, method: &str, body: &(impl Serialize + DynamicType)) -> Result<Message, Failure> {
        self.call(PATH, MANAGER, method, body).await
    }

    /// One property of a unit.
    pub(super) async fn get(&self, unit: &str, interface: &str, property: &str) -> Result<OwnedVariant, Failure> {
        let path = unit_path(unit);
        let body = (interface, property);
        read(&self.call(&path, "org.freedesktop.DBus.Properties", "Get", &body).await?)
    }

    /// One property of the manager.
    pub(super) async fn get_manager(&self, property: &str) -> Result<OwnedVariant, Failure> {
        read(&self.call(PATH, "org.freedesktop.DBus.Properties", "Get", &(MANAGER, property)).await?)
    }

    async fn call(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<Message, Failure> {
        Ok(self.connection.call_method(Some(NAME), path, Some(interface), method, body).await?)
    }
}

pub(super) fn read<R: DeserializeOwned + Type>(reply: &Message) -> Result<R, Failure> {
    Ok(reply.body().deserialize::<R>()?)
}
