//! Socket units: what PID 1 listens to for others.

use super::bus::SOCKET;
use super::manager::Manager;
use crate::error::Result;

/// A socket unit that is listening, or whose service has its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// `soute-publish@web:8080.socket`.
    pub unit: String,
    /// "Stream" or "Datagram" and the address, "127.0.0.1:8080"; other kinds have paths and what not.
    pub listen: Vec<(String, String)>,
}

impl Manager {
    /// All that are active.
    pub fn sockets(&self) -> Result<Vec<Socket>> {
        let active = self.list("*.socket")?.into_iter().filter(|unit| unit.active == "active");
        let mut sockets = Vec::new();
        for unit in active {
            let listen = self.run(async |bus| match bus.get(&unit.name, SOCKET, "Listen").await {
                // It went meanwhile.
                Err(super::failure::Failure::NoSuchUnit(_)) => Ok(None),
                other => other.map(Some),
            })?;
            let pairs = listen.and_then(|listen| Vec::<(String, String)>::try_from(listen).ok());
            sockets.push(Socket { unit: unit.name, listen: pairs.unwrap_or_default() });
        }
        Ok(sockets)
    }
}
