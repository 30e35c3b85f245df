//! The policy: who may make which system call, and with which arguments.
//!
//! Every name of `syscalls.tbl` is in one group. Docker's table was the model (moby/profiles, 2026), and systemd-nspawn's for
//! systems that boot; what is tighter here says why.

/// Calls that belong together.
#[derive(Debug)]
pub struct Group {
    /// Whose they are.
    pub access: Access,
    /// Their names, by spaces.
    pub names: &'static str,
}

/// Whom calls are open to, beside those that a definition names in `allow-syscalls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every container.
    Everyone,
    /// Those with `seccomp = "system"`, and those to which one of these capabilities was added.
    System(u64),
    /// Those to which one of these capabilities was added. Capabilities that every container has open nothing.
    Added(u64),
}

/// Nobody.
const NOBODY: Access = Access::Added(0);

/// Bits of capabilities, linux/capability.h.
pub mod capability {
    #![allow(missing_docs)]
    pub const DAC_READ_SEARCH: u64 = 1 << 2;
    pub const NET_RAW: u64 = 1 << 13;
    pub const SYS_MODULE: u64 = 1 << 16;
    pub const SYS_RAWIO: u64 = 1 << 17;
    pub const SYS_PTRACE: u64 = 1 << 19;
    pub const SYS_PACCT: u64 = 1 << 20;
    pub const SYS_ADMIN: u64 = 1 << 21;
    pub const SYS_BOOT: u64 = 1 << 22;
    pub const SYS_NICE: u64 = 1 << 23;
    pub const SYS_TIME: u64 = 1 << 25;
    pub const SYS_TTY_CONFIG: u64 = 1 << 26;
    pub const AUDIT_WRITE: u64 = 1 << 29;
    pub const AUDIT_CONTROL: u64 = 1 << 30;
    pub const SYSLOG: u64 = 1 << 34;
    pub const AUDIT_READ: u64 = 1 << 37;
    pub const PERFMON: u64 = 1 << 38;
    pub const BPF: u64 = 1 << 39;
}
use capability::*;

/// Who may call what.
pub const GROUPS: &[Group] = &[
    // Files, directories and their attributes.
    Group {
        access: Access::Everyone,
        names: "access chdir chmod chown chown32 chroot creat faccessat faccessat2 fchdir fchmod fchmodat fchmodat2 fchown \
                fchown32 fchownat file_getattr file_setattr fstat fstat64 fstatat64 fstatfs fstatfs64 futimesat getcwd \
                getdents getdents64 lchown lchown32 link linkat lstat lstat64 mkdir mkdirat mknod mknodat \
                name_to_handle_at newfstatat oldfstat oldlstat oldstat open openat openat2 readdir readlink readlinkat \
                rename renameat renameat2 rmdir stat stat64 statfs statfs64 statx symlink symlinkat truncate truncate64 \
                umask unlink unlinkat utime utimensat utimensat_time64 utimes \
                fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr \
                lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat \
                inotify_add_watch inotify_init inotify_init1 inotify_rm_watch listmount statmount",
    },
    // Descriptors: reading, writing, waiting.
    Group {
        access: Access::Everyone,
        names: "_llseek _newselect arm_fadvise64_64 cachestat close close_range copy_file_range dup dup2 dup3 epoll_create \
                epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 \
                fadvise64 fadvise64_64 fallocate fanotify_mark fcntl fcntl64 fdatasync flock fsync ftruncate ftruncate64 \
                io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl lseek pipe \
                pipe2 poll ppoll ppoll_time64 pread64 preadv preadv2 pselect6 pselect6_time64 pwrite64 pwritev pwritev2 \
                read readahead readv select sendfile sendfile64 splice sync sync_file_range sync_file_range2 syncfs tee \
                write writev",
    },
    // Sockets.
    Group {
        access: Access::Everyone,
        names: "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg \
                recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket socketpair",
    },
    // Memory.
    Group {
        access: Access::Everyone,
        names: "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 \
                mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages",
    },
    // Processes, their ids and limits, scheduling.
    Group {
        access: Access::Everyone,
        names: "capget capset clone execve execveat exit exit_group fork get_robust_list getcpu getegid getegid32 geteuid \
                geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority getresgid \
                getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid getuid32 ioprio_get ioprio_set \
                landlock_add_rule landlock_create_ruleset landlock_restrict_self nice personality pidfd_open prctl \
                prlimit64 process_mrelease rseq rseq_slice_yield sched_get_priority_max sched_get_priority_min \
                sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval \
                sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler \
                sched_yield seccomp set_robust_list set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid \
                setgid32 setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid \
                setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 ugetrlimit unshare vfork wait4 waitid \
                waitpid",
    },
    // Signals, clocks and timers.
    Group {
        access: Access::Everyone,
        names: "alarm kill pause pidfd_send_signal restart_syscall rt_sigaction rt_sigpending rt_sigprocmask \
                rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo \
                sgetmask sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend \
                ssetmask tgkill tkill \
                adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 \
                clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create \
                timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 \
                timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times",
    },
    // Locks, queues and shared memory, all of the container's own ipc namespace; random numbers, the system's names.
    Group {
        access: Access::Everyone,
        names: "futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake ipc mq_getsetattr mq_notify mq_open \
                mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv \
                msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget \
                getrandom oldolduname olduname sysinfo uname",
    },
    // Debuggers: within the container's own ids. Before Linux 4.8 a tracer could slip past the filter; soute needs 5.12.
    Group { access: Access::Everyone, names: "process_vm_readv process_vm_writev ptrace" },
    // What the C library or the kernel's own trampolines need on one architecture.
    Group {
        access: Access::Everyone,
        names: "arch_prctl breakpoint cacheflush get_thread_area get_tls set_thread_area set_tls uprobe uretprobe",
    },
    // Namespaces and mounts of one's own. Names of the host where a container shares its uts namespace.
    Group {
        access: Access::System(SYS_ADMIN),
        names: "clone3 fsconfig fsmount fsopen fspick listns lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount \
                mount_setattr move_mount open_tree open_tree_attr pivot_root setdomainname sethostname setns umount \
                umount2",
    },
    Group { access: Access::Added(SYS_ADMIN), names: "fanotify_init lookup_dcookie quotactl quotactl_fd" },
    Group { access: Access::Added(SYS_ADMIN | BPF), names: "bpf" },
    Group { access: Access::Added(SYS_ADMIN | PERFMON), names: "perf_event_open" },
    Group { access: Access::Added(SYS_ADMIN | SYSLOG), names: "syslog" },
    // The last step of a system's shutdown: in a pid namespace it ends that.
    Group { access: Access::System(SYS_BOOT), names: "reboot" },
    Group { access: Access::System(SYS_PTRACE), names: "kcmp pidfd_getfd process_madvise" },
    Group {
        access: Access::System(SYS_NICE),
        names: "get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node",
    },
    Group { access: Access::System(SYS_TTY_CONFIG), names: "vhangup" },
    Group { access: Access::Added(SYS_TIME), names: "clock_settime clock_settime64 settimeofday stime" },
    Group { access: Access::Added(SYS_MODULE), names: "delete_module finit_module init_module" },
    Group { access: Access::Added(SYS_RAWIO), names: "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write" },
    Group { access: Access::Added(SYS_PACCT), names: "acct" },
    Group { access: Access::Added(DAC_READ_SEARCH), names: "open_by_handle_at" },
    // Keys are not of a namespace; io_uring and userfaultfd make kernel bugs usable, and io_uring is not under a filter at
    // all. Docker lets vmsplice and modify_ldt through; hardly a server needs them.
    Group {
        access: NOBODY,
        names: "add_key io_uring_enter io_uring_register io_uring_setup kexec_file_load kexec_load keyctl modify_ldt \
                request_key swapoff swapon userfaultfd vm86 vm86old vmsplice",
    },
    // Many calls in one, the arguments behind a pointer, where no filter sees them: any family of sockets.
    Group { access: NOBODY, names: "socketcall" },
    // Gone, or never there.
    Group {
        access: NOBODY,
        names: "_sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx nfsservctl \
                prof profil putpmsg query_module security stty sysfs tuxcall ulimit uselib usr26 usr32 ustat vserver",
    },
];

/// Refused calls that answer ENOSYS, as if the kernel were too old for them, so that the C library takes the older way:
/// clone(2), whose flags a filter can see, and socket(2) and its like. The others answer EPERM.
pub const ABSENT: &[&str] = &["clone3", "socketcall"];

/// Errors, asm-generic/errno.h.
pub mod errno {
    #![allow(missing_docs)]
    pub const EPERM: u16 = 1;
    pub const EINVAL: u16 = 22;
    pub const ENOSYS: u16 = 38;
    pub const EAFNOSUPPORT: u16 = 97;
}
use errno::*;

/// An argument of an open call that not everyone may pass. The kernel takes each of these as 32 bits wide, and that half is
/// compared: the other may hold anything.
#[derive(Debug, PartialEq, Eq)]
pub struct Restriction {
    /// The calls.
    pub calls: &'static [&'static str],
    /// Another argument and its value, without which this is not about the call.
    pub only_if: Option<(u8, u32)>,
    /// Which argument, from 0.
    pub argument: u8,
    /// What it may be.
    pub permits: Permits,
    /// The answer if it is not.
    pub errno: u16,
    /// Whom this does not hold for.
    pub not_for: Access,
}

/// What an argument may be.
#[derive(Debug, PartialEq, Eq)]
pub enum Permits {
    /// One of these.
    Only(&'static [u32]),
    /// None of these.
    Not(&'static [u32]),
    /// Anything with none of these bits.
    Without(u32),
}

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, linux/sched.h.
const NAMESPACES: u32 = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;
/// Of no meaning to clone(2), where the exit signal is in these bits.
const NEWTIME: u32 = 0x80;
/// linux/socket.h.
const UNIX: u32 = 1;
const INET: u32 = 2;
const INET6: u32 = 10;
const NETLINK: u32 = 16;
const PACKET: u32 = 17;
/// linux/netlink.h.
const NETLINK_AUDIT: u32 = 9;
/// asm-generic/ioctls.h: input and selections of a terminal, made up by who has it open.
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;
/// linux/personality.h: Linux, with 32 bits, with the uname of 2.6, with both; and the question for the present one.
const PERSONALITIES: &[u32] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

const fn restriction(calls: &'static [&'static str], argument: u8, permits: Permits, errno: u16) -> Restriction {
    Restriction { calls, only_if: None, argument, permits, errno, not_for: NOBODY }
}

/// With which arguments. All those of a call hold.
pub const RESTRICTIONS: &[Restriction] = &[
    Restriction {
        not_for: Access::System(SYS_ADMIN),
        ..restriction(&["clone"], 0, Permits::Without(NAMESPACES), EPERM)
    },
    Restriction {
        not_for: Access::System(SYS_ADMIN),
        ..restriction(&["unshare"], 0, Permits::Without(NAMESPACES | NEWTIME), EPERM)
    },
    // Each family is a protocol stack of the kernel's, loaded on request, and bugs are in those that few use: AF_ALG
    // (CVE-2026-31431), AF_VSOCK, AF_RXRPC. Programs take this answer for a kernel without it.
    Restriction {
        not_for: Access::Added(NET_RAW),
        ..restriction(&["socket", "socketpair"], 0, Permits::Only(&[UNIX, INET, INET6, NETLINK]), EAFNOSUPPORT)
    },
    restriction(&["socket", "socketpair"], 0, Permits::Only(&[UNIX, INET, INET6, NETLINK, PACKET]), EAFNOSUPPORT),
    // The kernel's audit is the host's alone. libaudit takes EINVAL for a kernel without it and PAM goes on, as in podman.
    Restriction {
        only_if: Some((0, NETLINK)),
        not_for: Access::Added(AUDIT_WRITE | AUDIT_CONTROL | AUDIT_READ),
        ..restriction(&["socket"], 2, Permits::Not(&[NETLINK_AUDIT]), EINVAL)
    },
    restriction(&["ioctl"], 1, Permits::Not(&[TIOCSTI, TIOCLINUX]), EPERM),
    restriction(&["personality"], 0, Permits::Only(PERSONALITIES), EPERM),
];
