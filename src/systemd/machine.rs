//! Containers in the list of systemd-machined: `machinectl`, `systemd-cgls -M`, and their names for the host by
//! nss-mymachines(8).
//!
//! machined stops the unit of a machine that is registered a second time under another name, and of one whose unit it has
//! seen end and start again meanwhile. So a machine is taken off the list at every end, and before it is put on it again.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::connection::Builder;
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, Type};

use super::failure::Failure;
use super::runtime::Executor;
use crate::error::{Context, Error, Exit, Result};

const NAME: &str = "org.freedesktop.machine1";
const PATH: &str = "/org/freedesktop/machine1";
const MANAGER: &str = "org.freedesktop.machine1.Manager";
const MACHINE: &str = "org.freedesktop.machine1.Machine";
const NO_SUCH_MACHINE: &str = "org.freedesktop.machine1.NoSuchMachine";

/// Where the bus finds out how to start machined, wherever a distribution has put it.
const ACTIVATION: &str = "share/dbus-1/system-services/org.freedesktop.machine1.service";

/// Is it installed?
pub fn machined_is_installed() -> bool {
    ["/usr/local", "/usr"].iter().any(|prefix| Path::new(prefix).join(ACTIVATION).exists())
}

/// A container as machined is to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
}

impl Machine {
    /// Puts it on the list, with its payload and the host's ends of its links.
    pub fn register(&self, leader: u32, links: &[i32]) -> Result<()> {
        let action = || format!("cannot register {} with systemd-machined", self.name);
        let machined = Machined::open().with_context(action)?;
        self.take_off(&machined).with_context(action)?;
        let (id, root): (&[u8], &str) = (&[], "");
        let body = (self.name.as_str(), id, "soute", "container", leader, root, links);
        let made: Result<OwnedObjectPath, Failure> = machined.call(PATH, MANAGER, "RegisterMachineWithNetwork", &body);
        made.map(drop).with_context(action)
    }

    /// Takes it off the list; one that is not on it is off it already.
    pub fn unregister(&self) -> Result<()> {
        let action = || format!("cannot take {} off systemd-machined's list", self.name);
        match self.take_off(&Machined::open().with_context(action)?) {
            // Another one's is left alone.
            Err(error) if error.exit() == Exit::Busy => Ok(()),
            other => other.with_context(action),
        }
    }

    fn take_off(&self, machined: &Machined) -> Result<()> {
        let Some(path) = machined.machine(&self.name)? else { return Ok(()) };
        let unit: OwnedVariant =
            machined.call(path.as_str(), "org.freedesktop.DBus.Properties", "Get", &(MACHINE, "Unit"))?;
        match <&str>::try_from(&unit) {
            Ok(unit) if unit == self.unit => Ok(machined.call(PATH, MANAGER, "UnregisterMachine", &self.name)?),
            unit => {
                let unit = unit.unwrap_or("something else");
                Err(Error::new(Exit::Busy, format!("a machine of that name is there, {unit}")))
            }
        }
    }
}

/// machined, over the system bus, which starts it.
struct Machined {
    connection: Connection,
    // Dropped last: it ends what the connection has left running.
    executor: Executor,
}

impl Machined {
    fn open() -> Result<Self, Failure> {
        let executor = Executor::default();
        let connection = executor.block_on(Builder::system().runtime(executor.runtime()).build())?;
        Ok(Self { connection, executor })
    }

    fn machine(&self, name: &str) -> Result<Option<OwnedObjectPath>, Failure> {
        let call = self.connection.call_method(Some(NAME), PATH, Some(MANAGER), "GetMachine", &name);
        match self.executor.block_on(call) {
            Err(zbus::Error::MethodError(error, ..)) if error.as_str() == NO_SUCH_MACHINE => Ok(None),
            reply => Ok(Some(reply?.body().deserialize()?)),
        }
    }

    fn call<R>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<R, Failure>
    where
        R: DeserializeOwned + Type,
    {
        let call = self.connection.call_method(Some(NAME), path, Some(interface), method, body);
        Ok(self.executor.block_on(call)?.body().deserialize()?)
    }
}
