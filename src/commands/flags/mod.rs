//! The flags of `run` and `create`: a definition on the command line. They become TOML, so that there is one reader, one
//! set of checks and one voice for faults.

mod layer;
mod pairs;
#[cfg(test)]
mod tests;

use clap::Args;

pub use layer::Layer;

/// Keys of a definition; soute.toml(5) has them all.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Definition")]
pub struct Flags {
    /// A line about the container.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A word of your own on it, shown by --json.
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// The program before the command; given again, its arguments. The image's command is dropped.
    #[arg(long, value_name = "ARGUMENT")]
    entrypoint: Vec<String>,
    /// Set an environment variable; without a value it is the caller's.
    #[arg(short, long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Read environment variables from a file.
    #[arg(long, visible_alias = "env-file", value_name = "PATH")]
    environment_file: Vec<String>,
    /// Run the payload as this user, by name or number; a group may follow a colon.
    #[arg(short, long)]
    user: Option<String>,
    /// A supplementary group.
    #[arg(long)]
    group: Vec<String>,
    /// Start in this directory of the container.
    #[arg(short, long, visible_alias = "workdir", value_name = "DIR")]
    working_directory: Option<String>,
    /// The file mode creation mask.
    #[arg(long, value_name = "OCTAL")]
    umask: Option<String>,
    /// The host name inside.
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// The zone inside, or "local".
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Who is PID 1: none, reaper or image.
    #[arg(long, value_name = "WHO")]
    init: Option<String>,
    /// When it counts as started: exec or notify (healthy needs a definition).
    #[arg(long, value_name = "WHEN")]
    ready: Option<String>,
    /// Time to be ready.
    #[arg(long, value_name = "TIME")]
    start_timeout: Option<String>,
    /// It sends WATCHDOG=1 this often.
    #[arg(long, value_name = "TIME")]
    watchdog: Option<String>,

    /// Start this container, or unit of the host, before it; it cannot do without.
    #[arg(long, value_name = "NAME")]
    requires: Vec<String>,
    /// Start this one before it.
    #[arg(long, value_name = "NAME")]
    wants: Vec<String>,
    /// Order only.
    #[arg(long, value_name = "NAME")]
    after: Vec<String>,

    /// Its disk: keep, fresh or read-only.
    #[arg(long, value_name = "MODE")]
    disk_mode: Option<String>,
    /// The image itself, read-only and shared: --disk-mode read-only.
    #[arg(long, conflicts_with = "disk_mode")]
    read_only: bool,
    /// Grow the file system of its raw disk to this.
    #[arg(long, value_name = "SIZE")]
    disk_size: Option<String>,

    /// At most so much memory: a size, or a share of the host's.
    #[arg(short, long, value_name = "SIZE")]
    memory: Option<String>,
    /// Throttle it above this much memory.
    #[arg(long, value_name = "SIZE")]
    memory_high: Option<String>,
    /// Spare it below this much memory.
    #[arg(long, value_name = "SIZE")]
    memory_low: Option<String>,
    /// At most so much swap, memory not counted.
    #[arg(long, value_name = "SIZE")]
    swap: Option<String>,
    /// At most the time of so many CPUs.
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<String>,
    /// Run on these CPUs.
    #[arg(long, value_name = "LIST")]
    cpu_set: Option<String>,
    /// Share of the CPU: 1 to 10000, or idle.
    #[arg(long, value_name = "WEIGHT")]
    cpu_weight: Option<String>,
    /// At most so many processes and threads.
    #[arg(long, value_name = "NUMBER")]
    tasks: Option<String>,
    /// Read the disk at most so fast.
    #[arg(long, value_name = "RATE")]
    read_bandwidth: Option<String>,
    /// Write the disk at most so fast.
    #[arg(long, value_name = "RATE")]
    write_bandwidth: Option<String>,
    /// At most so many reads a second.
    #[arg(long, value_name = "NUMBER")]
    read_iops: Option<String>,
    /// At most so many writes a second.
    #[arg(long, value_name = "NUMBER")]
    write_iops: Option<String>,
    /// Share of the disk: 1 to 10000.
    #[arg(long, value_name = "WEIGHT")]
    io_weight: Option<String>,
    /// A limit of each process, as nofile=1024:4096.
    #[arg(long, value_name = "NAME=LIMIT")]
    rlimit: Vec<String>,

    /// A link: bridge=br0,address=10.88.0.7/24,gateway=10.88.0.1; or host.
    #[arg(long, value_name = "KEY=VALUE,…")]
    network: Vec<String>,
    /// A port of the host that leads into it: 8080:80 on loopback alone, 0.0.0.0:8080:80, 53:53/udp; or listen=8080,to=80.
    #[arg(short, long, value_name = "[ADDRESS:]PORT:PORT")]
    publish: Vec<String>,
    /// Share a namespace of the host, as pid=host.
    #[arg(long, value_name = "KIND=WHOSE")]
    namespace: Vec<String>,
    /// A name server.
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// A domain to search.
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// An option of resolv.conf(5).
    #[arg(long, value_name = "OPTION")]
    dns_option: Vec<String>,
    /// A line of /etc/hosts.
    #[arg(long, visible_alias = "add-host", value_name = "NAME=ADDRESS")]
    host: Vec<String>,
    /// A kernel parameter of the container's own.
    #[arg(long, value_name = "NAME=VALUE")]
    sysctl: Vec<String>,

    /// A mount: source=/srv/www,target=/var/www,read-only; or type=tmpfs or volume.
    #[arg(long, value_name = "KEY=VALUE,…")]
    mount: Vec<String>,
    /// The same in short: /srv/www:/var/www:ro, or the name of a volume in place of the path.
    #[arg(short, long, value_name = "SOURCE:TARGET[:ro]")]
    volume: Vec<String>,
    /// Memory mounted there.
    #[arg(long, value_name = "TARGET")]
    tmpfs: Vec<String>,
    /// A device of the host: /dev/fuse, /dev/ttyS0:/dev/modem:rw; or source=/dev/fuse,missing=skip.
    #[arg(long, value_name = "SOURCE[:TARGET[:ACCESS]]")]
    device: Vec<String>,
    /// A secret from a file of the host, below /run/credentials.
    #[arg(long, value_name = "NAME=PATH")]
    credential: Vec<String>,

    /// Start it again when it ends: systemd's no, on-failure, always, …
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Wait before that.
    #[arg(long, value_name = "TIME")]
    restart_delay: Option<String>,
    /// Ask it to end by this signal.
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Kill it so long after that.
    #[arg(long, value_name = "TIME")]
    stop_timeout: Option<String>,

    /// Give its root a capability.
    #[arg(long, value_name = "CAPABILITY")]
    cap_add: Vec<String>,
    /// Take one away, or ALL.
    #[arg(long, value_name = "CAPABILITY")]
    cap_drop: Vec<String>,
    /// Whether programs can gain no privileges by being executed.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    no_new_privileges: Option<bool>,
    /// Which system calls it may make: default, system or off.
    #[arg(long, value_name = "PROFILE")]
    seccomp: Option<String>,
    /// Let it make this one too, with any arguments.
    #[arg(long, value_name = "SYSCALL")]
    allow_syscall: Vec<String>,
    /// A further directive of the unit, as OOMScoreAdjust=-500.
    #[arg(long, value_name = "NAME=VALUE")]
    systemd: Vec<String>,
}
