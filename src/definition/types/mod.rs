//! Values that were understood once, at the edge: whoever holds one cannot hold a bad one.
//!
//! Every type reads from text (`FromStr`, so that flags share it), from TOML (some from integers too), and prints back
//! to a text that reads the same.

mod address;
mod capability;
mod cpu;
mod dependency;
mod device;
mod environment;
mod hostname;
mod interface;
mod limit;
mod link_address;
mod list;
mod lsm;
mod mac;
mod masked;
mod mode;
mod name;
mod netns;
mod path;
mod rate;
mod rlimit;
mod scalar;
mod signal;
mod size;
mod span;
mod syscall;
mod sysctl;
mod text;
mod user;
mod vlan;
mod variable;

pub(crate) use address::not_a_host;
pub use address::{Address, Cidr, Network};
pub use capability::{Capability, CapabilitySet, DroppedCapability};
pub use cpu::{CpuSet, CpuWeight, Cpus, Weight};
pub use dependency::{Dependency, LATE_TARGETS};
pub use device::{DeviceAccess, DevicePath};
pub use environment::{EnvironmentFile, EnvironmentName};
pub use hostname::{Hostname, Timezone};
pub use interface::InterfaceName;
pub use limit::{CountOrShare, Limit, SizeOrShare};
pub use link_address::LinkAddress;
pub use list::{List, StringList};
pub use lsm::LsmLabel;
pub use mac::Mac;
pub use masked::{MASKED, MaskedPath, READ_ONLY, THERMAL_THROTTLE};
pub use mode::Mode;
pub use name::Name;
pub use netns::NetworkNamespace;
pub use path::{GuestPath, HostPath, MountSource};
pub use rate::{Rate, RateLimit};
pub use rlimit::{Rlimit, RlimitName};
pub use scalar::{Refused, Scalar};
pub use signal::{ExitStatus, Signal};
pub use size::ByteSize;
pub use span::Span;
pub use syscall::Syscall;
pub use sysctl::{SysctlName, SysctlNamespace};
pub(crate) use text::refuse_in_unit;
pub use text::{Text, UnitText, escaped};
pub use user::{Account, UserSpec};
pub use variable::VariableName;
pub use vlan::Vlan;
