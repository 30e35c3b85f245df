//! What a container may use at most: its cgroup, and setrlimit(2).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::{
    CountOrShare, CpuSet, CpuWeight, Cpus, HostPath, Limit, Rate, Rlimit, RlimitName, SizeOrShare, Weight,
};

/// What the container may use at most. All of it can be changed while it runs, but `rlimits`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Memory: a size, or a share of the host's. (MemoryMax=)
    pub memory: SizeOrShare,
    /// Above it the container is throttled and its memory reclaimed. (MemoryHigh=)
    pub memory_high: SizeOrShare,
    /// Below it the container's memory is spared while others have some to give. (MemoryLow=)
    pub memory_low: SizeOrShare,
    /// Swap alone, not memory and swap together; as memory if not given. (MemorySwapMax=)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<SizeOrShare>,
    /// CPU time in CPUs, two decimals. (CPUQuota=)
    pub cpus: Limit<Cpus>,
    /// The CPUs to run on, such as "0-1,4"; all of them. (AllowedCPUs=)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_set: Option<CpuSet>,
    /// Share of the CPU when others want it too: 1 to 10000, or "idle". (CPUWeight=)
    pub cpu_weight: CpuWeight,
    /// Processes and threads: a number, or a share of what the host can have. (TasksMax=)
    pub tasks: CountOrShare,
    /// Reading from the device under the container's disk. (IOReadBandwidthMax=)
    pub read_bandwidth: Limit<Rate>,
    /// Writing to the device under the container's disk. (IOWriteBandwidthMax=)
    pub write_bandwidth: Limit<Rate>,
    /// Reads per second of the device under the container's disk. (IOReadIOPSMax=)
    pub read_iops: Limit<u64>,
    /// Writes per second to the device under the container's disk. (IOWriteIOPSMax=)
    pub write_iops: Limit<u64>,
    /// Share of the disk's time when others want it too: 1 to 10000. (IOWeight=)
    pub io_weight: Weight,
    /// Limits of each process, setrlimit(2): a number, a size or "soft:hard". (LimitNOFILE= and the like)
    pub rlimits: BTreeMap<RlimitName, Rlimit>,
    /// Other devices than the one under the container's disk.
    pub device: Vec<DeviceLimit>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: SizeOrShare::Infinity,
            memory_high: SizeOrShare::Infinity,
            memory_low: SizeOrShare::Size(0),
            swap: None,
            cpus: Limit::Infinity,
            cpu_set: None,
            cpu_weight: CpuWeight::Weight(100),
            tasks: CountOrShare::Count(2048),
            read_bandwidth: Limit::Infinity,
            write_bandwidth: Limit::Infinity,
            read_iops: Limit::Infinity,
            write_iops: Limit::Infinity,
            io_weight: Weight(100),
            rlimits: BTreeMap::new(),
            device: Vec::new(),
        }
    }
}

/// Limits of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceLimit {
    /// Any path on the file system, or a block device.
    pub path: HostPath,
    /// Reading from it.
    #[serde(default)]
    pub read_bandwidth: Limit<Rate>,
    /// Writing to it.
    #[serde(default)]
    pub write_bandwidth: Limit<Rate>,
    /// Reads per second.
    #[serde(default)]
    pub read_iops: Limit<u64>,
    /// Writes per second.
    #[serde(default)]
    pub write_iops: Limit<u64>,
}
