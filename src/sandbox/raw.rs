//! Every `unsafe` of soute: system calls that neither nix nor rustix wraps, each behind a safe function.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;
use rustix::io::{Errno, Result};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, ioctl, opcode};
use rustix::process::Pid;

use crate::seccomp::Instruction;

/// The two sides of [`clone3`].
#[derive(Debug)]
pub enum Cloned {
    /// In the new process.
    Child,
    /// In the caller: the child as the caller's pid namespace numbers it.
    Parent(Pid),
}

/// `struct clone_args`, linux/sched.h, up to `cgroup` (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// fork(2) into new namespaces, and into a cgroup if one is given. With CLONE_PARENT the caller's parent is told of the
/// child's end, else the caller is.
pub fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut args = CloneArgs { flags, ..CloneArgs::default() };
    // With CLONE_PARENT the kernel takes the signal of the caller itself, and refuses one given here.
    if flags & libc::CLONE_PARENT as u64 == 0 {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd().cast_unsigned().into();
    }
    // SAFETY: the process has one thread (the runner and the generator never start another), so the child finds every
    // lock free and may go on as after fork(2); without CLONE_VM and a stack of its own it has a copy of everything.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<CloneArgs>()) };
    match i32::try_from(pid) {
        Ok(0) => Ok(Cloned::Child),
        Ok(pid) if pid > 0 => Pid::from_raw(pid).map(Cloned::Parent).ok_or(Errno::SRCH),
        _ => Err(last_error()),
    }
}

/// fork(2), by the clone(2) of the C library: unlike [`clone3`], a seccomp filter of ours lets it through.
pub fn fork() -> Result<Cloned> {
    // SAFETY: the process has one thread, see `clone3`.
    match unsafe { libc::fork() } {
        0 => Ok(Cloned::Child),
        pid if pid > 0 => Pid::from_raw(pid).map(Cloned::Parent).ok_or(Errno::SRCH),
        _ => Err(last_error()),
    }
}

/// `struct mount_attr`, linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// mount_setattr(2) on the mount that `mount` refers to.
pub fn mount_setattr(
    mount: BorrowedFd<'_>,
    set: u64,
    propagation: u64,
    userns: Option<BorrowedFd<'_>>,
    recursive: bool,
) -> Result<()> {
    let userns = userns.map_or(0, |fd| fd.as_raw_fd().cast_unsigned().into());
    // How access times are kept is one choice of several in the same bits: the old one has to go.
    let clear = if set & libc::MOUNT_ATTR_NOATIME == 0 { 0 } else { libc::MOUNT_ATTR__ATIME };
    let attr = MountAttr { set, clear, propagation, userns };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, `attr` is a mount_attr of the size given, both live through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// keyctl(KEYCTL_JOIN_SESSION_KEYRING): a new, anonymous session keyring, so that keys of others are not found.
pub fn join_new_session_keyring() -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: the name is a null pointer, which asks for an anonymous keyring; no memory is touched.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// seccomp(SECCOMP_SET_MODE_FILTER). It takes no-new-privileges, or CAP_SYS_ADMIN in the own user namespace.
pub fn set_seccomp_filter(program: &[Instruction]) -> Result<()> {
    const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
    // As runc and crun do. The kernel of 5.16 does so without being asked; before, every filtered process runs with the
    // mitigation of Speculative Store Bypass, which costs interpreters up to half their speed, and whom it protects is
    // code that shares its own process with hostile code.
    const SECCOMP_FILTER_FLAG_SPEC_ALLOW: libc::c_ulong = 4;
    /// `struct sock_fprog`, linux/filter.h.
    #[repr(C)]
    struct Program {
        length: libc::c_ushort,
        filter: *const Instruction,
    }
    let length = libc::c_ushort::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = Program { length, filter: program.as_ptr() };
    // SAFETY: Instruction has the layout of `struct sock_filter`, `length` of them are at `filter`, and all of it lives
    // through the call; the kernel checks the program itself.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// Every signal back to its default action and none blocked, as a program expects to be started.
pub fn reset_signals() -> Result<()> {
    /// _NSIG of the kernel, on every machine that soute knows.
    const LAST: libc::c_int = 64;
    // The system call: libc keeps 32 and 33 to itself, and what its posix_spawn(3) has started has them ignored.
    let action = [0_u64; 4];
    for signal in 1..=LAST {
        // SAFETY: all zero is a valid `struct sigaction` of the kernel (SIG_DFL, no flags, empty mask), which is no longer
        // than this and lives through the call. SIGKILL and SIGSTOP answer EINVAL, which is right.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), std::ptr::null_mut::<u64>(), 8_usize) };
    }
    nix::sys::signal::SigSet::empty().thread_set_mask().map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

/// Lets go of the controlling terminal, if it is this one, without the SIGHUP that comes with it.
pub fn release_terminal(terminal: BorrowedFd<'_>) {
    // SAFETY: SIG_IGN is a valid disposition, and TIOCNOTTY takes no argument; neither touches memory.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY);
    }
}

/// Marks every descriptor above stderr close-on-exec, whoever opened it.
pub fn close_on_exec_above_stderr() -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: only descriptor flags change; every owner still holds what it held.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// Gives a descriptor this number, open across execve(2). What had the number before is closed: nothing of this process may
/// still count on it, as it is about to be replaced.
pub fn keep_as(fd: BorrowedFd<'_>, number: RawFd) -> Result<()> {
    // SAFETY: no memory is touched; the caller's contract is about descriptors alone, and nothing is run after it but
    // execve(2) or exit(2).
    let result = unsafe {
        if fd.as_raw_fd() == number {
            libc::fcntl(number, libc::F_SETFD, 0)
        } else {
            libc::dup2(fd.as_raw_fd(), number)
        }
    };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// `struct btrfs_ioctl_vol_args`, linux/btrfs.h.
#[repr(C)]
struct BtrfsVolume {
    fd: i64,
    name: [u8; 4088],
}

impl BtrfsVolume {
    fn new(fd: i64, name: &CStr) -> Result<Self> {
        let bytes = name.to_bytes();
        let mut volume = Self { fd, name: [0; 4088] };
        // BTRFS_PATH_NAME_MAX is 4087; the name of a directory entry is shorter still.
        volume
            .name
            .get_mut(..bytes.len())
            .filter(|_| bytes.len() < 256)
            .ok_or(Errno::NAMETOOLONG)?
            .copy_from_slice(bytes);
        Ok(volume)
    }
}

/// BTRFS_IOC_SNAP_CREATE: a writable snapshot of the subvolume `source` as `name` in `parent`.
pub fn btrfs_snapshot(parent: BorrowedFd<'_>, name: &CStr, source: BorrowedFd<'_>) -> Result<()> {
    const SNAP_CREATE: Opcode = opcode::write::<BtrfsVolume>(0x94, 1);
    let volume = BtrfsVolume::new(source.as_raw_fd().into(), name)?;
    // SAFETY: the kernel reads one btrfs_ioctl_vol_args, and `source` is open for the length of the call.
    unsafe { ioctl(parent, Setter::<SNAP_CREATE, BtrfsVolume>::new(volume)) }
}

/// BTRFS_IOC_SUBVOL_CREATE: an empty subvolume `name` in `parent`.
pub fn btrfs_create_subvolume(parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    const SUBVOL_CREATE: Opcode = opcode::write::<BtrfsVolume>(0x94, 14);
    // SAFETY: the kernel reads one btrfs_ioctl_vol_args; `fd` is unused here.
    unsafe { ioctl(parent, Setter::<SUBVOL_CREATE, BtrfsVolume>::new(BtrfsVolume::new(0, name)?)) }
}

/// BTRFS_IOC_SNAP_DESTROY: removes the subvolume `name` of `parent` with all its files at once.
pub fn btrfs_destroy_subvolume(parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    const SNAP_DESTROY: Opcode = opcode::write::<BtrfsVolume>(0x94, 15);
    // SAFETY: the kernel reads one btrfs_ioctl_vol_args; `fd` is unused here.
    unsafe { ioctl(parent, Setter::<SNAP_DESTROY, BtrfsVolume>::new(BtrfsVolume::new(0, name)?)) }
}

/// `struct fiemap_extent`, linux/fiemap.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent {
    /// Where it begins in the file.
    pub logical: u64,
    /// Where it begins on the device.
    pub physical: u64,
    /// Its bytes.
    pub length: u64,
    reserved64: [u64; 2],
    /// FIEMAP_EXTENT_*.
    pub flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap`, linux/fiemap.h, with room for so many extents.
#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    extents: [Extent; 128],
}

/// FS_IOC_FIEMAP: the next extents of a file from `start` on, none behind the last.
pub fn extents(file: BorrowedFd<'_>, start: u64) -> Result<Vec<Extent>> {
    // The number has the size of the structure without its extents.
    const FIEMAP: Opcode = opcode::read_write::<[u64; 4]>(b'f', 11);
    let room = [Extent::default(); 128];
    let mut map =
        Fiemap { start, length: u64::MAX - start, flags: 0, mapped: 0, count: 128, reserved: 0, extents: room };
    // SAFETY: the kernel reads the first 32 bytes, and writes at most `count` extents behind them, which are there.
    unsafe { ioctl(file, rustix::ioctl::Updater::<FIEMAP, Fiemap>::new(&mut map))? };
    let mapped = usize::try_from(map.mapped).unwrap_or(usize::MAX).min(map.extents.len());
    Ok(map.extents[..mapped].to_vec())
}

/// `struct loop_info64`, linux/loop.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [c_char; 64],
    crypt_name: [c_char; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`, linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// LOOP_CTL_GET_FREE: the number of a loop device that was free a moment ago.
pub fn loop_get_free(control: BorrowedFd<'_>) -> Result<u32> {
    struct GetFree;
    // SAFETY: LOOP_CTL_GET_FREE takes no argument; its result is the return value.
    unsafe impl Ioctl for GetFree {
        type Output = u32;
        const IS_MUTATING: bool = false;
        fn opcode(&self) -> Opcode {
            0x4c82
        }
        fn as_ptr(&mut self) -> *mut c_void {
            std::ptr::null_mut()
        }
        unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> Result<u32> {
            u32::try_from(out).map_err(|_| Errno::RANGE)
        }
    }
    // SAFETY: as above.
    unsafe { ioctl(control, GetFree) }
}

/// LOOP_CONFIGURE: puts `file` behind the loop device with these LO_FLAGS_*.
pub fn loop_configure(device: BorrowedFd<'_>, file: BorrowedFd<'_>, flags: u32, block_size: u32) -> Result<()> {
    const CONFIGURE: Opcode = 0x4c0a;
    // SAFETY: all-zero is a valid value of these structures of integers.
    let mut config: LoopConfig = unsafe { std::mem::zeroed() };
    config.fd = file.as_fd().as_raw_fd().cast_unsigned();
    config.block_size = block_size;
    config.info.flags = flags;
    // SAFETY: the kernel reads one loop_config, and `file` is open for the length of the call.
    unsafe { ioctl(device, Setter::<CONFIGURE, LoopConfig>::new(config)) }
}

/// LOOP_GET_STATUS64: the LO_FLAGS_* in force.
pub fn loop_flags(device: BorrowedFd<'_>) -> Result<u32> {
    const GET_STATUS64: Opcode = 0x4c05;
    // SAFETY: the kernel fills one loop_info64.
    let info: LoopInfo = unsafe { ioctl(device, rustix::ioctl::Getter::<GET_STATUS64, LoopInfo>::new())? };
    Ok(info.flags)
}

/// LOOP_GET_STATUS64: device and inode of the file behind it, the device as the kernel encodes it.
pub fn loop_file(device: BorrowedFd<'_>) -> Result<(u64, u64)> {
    const GET_STATUS64: Opcode = 0x4c05;
    // SAFETY: the kernel fills one loop_info64.
    let info: LoopInfo = unsafe { ioctl(device, rustix::ioctl::Getter::<GET_STATUS64, LoopInfo>::new())? };
    Ok((info.device, info.inode))
}

/// LOOP_SET_CAPACITY: the device takes the size that its file has now.
pub fn loop_set_capacity(device: BorrowedFd<'_>) -> Result<()> {
    const SET_CAPACITY: Opcode = 0x4c07;
    // SAFETY: it takes no argument.
    unsafe { ioctl(device, rustix::ioctl::NoArg::<SET_CAPACITY>::new()) }
}

/// FIFREEZE: writes everything of a file system to its device and lets nobody write to it any more.
pub fn freeze(root: BorrowedFd<'_>) -> Result<()> {
    const FIFREEZE: Opcode = opcode::read_write::<i32>(b'X', 119);
    // SAFETY: the kernel does not look at the argument.
    unsafe { ioctl(root, rustix::ioctl::NoArg::<FIFREEZE>::new()) }
}

/// FITHAW: the end of [`freeze`].
pub fn thaw(root: BorrowedFd<'_>) -> Result<()> {
    const FITHAW: Opcode = opcode::read_write::<i32>(b'X', 120);
    // SAFETY: the kernel does not look at the argument.
    unsafe { ioctl(root, rustix::ioctl::NoArg::<FITHAW>::new()) }
}

/// EXT4_IOC_RESIZE_FS: grows the mounted ext4 to so many blocks.
pub fn ext4_resize(root: BorrowedFd<'_>, blocks: u64) -> Result<()> {
    const RESIZE_FS: Opcode = opcode::write::<u64>(b'f', 16);
    // SAFETY: the kernel reads one u64.
    unsafe { ioctl(root, Setter::<RESIZE_FS, u64>::new(blocks)) }
}

/// `struct xfs_fsop_geom_v1`, fs/xfs/libxfs/xfs_fs.h: `largest_inodes` is its eighth field.
#[repr(C)]
#[derive(Clone, Copy)]
struct XfsGeometry {
    before: [u32; 7],
    largest_inodes: u32,
    blocks: u64,
    after: [u64; 9],
}

/// `struct xfs_growfs_data`, fs/xfs/libxfs/xfs_fs.h.
#[repr(C)]
struct XfsGrow {
    blocks: u64,
    largest_inodes: u32,
}

/// XFS_IOC_FSGROWFSDATA: grows the mounted xfs to so many blocks.
pub fn xfs_grow(root: BorrowedFd<'_>, blocks: u64) -> Result<()> {
    const GEOMETRY: Opcode = opcode::read::<XfsGeometry>(b'X', 100);
    const GROW: Opcode = opcode::write::<XfsGrow>(b'X', 110);
    // SAFETY: the kernel fills one xfs_fsop_geom_v1.
    let now: XfsGeometry = unsafe { ioctl(root, rustix::ioctl::Getter::<GEOMETRY, XfsGeometry>::new())? };
    if now.blocks >= blocks {
        return Ok(());
    }
    let wanted = XfsGrow { blocks, largest_inodes: now.largest_inodes };
    // SAFETY: the kernel reads one xfs_growfs_data.
    unsafe { ioctl(root, Setter::<GROW, XfsGrow>::new(wanted)) }
}

/// BTRFS_IOC_RESIZE: grows the mounted btrfs over all of its one device.
pub fn btrfs_resize_to_device(root: BorrowedFd<'_>) -> Result<()> {
    const RESIZE: Opcode = opcode::write::<BtrfsVolume>(0x94, 3);
    // SAFETY: the kernel reads one btrfs_ioctl_vol_args; `fd` is unused here.
    unsafe { ioctl(root, Setter::<RESIZE, BtrfsVolume>::new(BtrfsVolume::new(0, c"max")?)) }
}

/// prlimit(2) of another process: soft and hard limit of a RLIMIT_* resource.
pub fn limits_of(pid: Pid, resource: u32) -> Result<(u64, u64)> {
    let mut limits = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: no new limit is given, and the old one is written to a structure that lives through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid.as_raw_nonzero().get(),
            resource,
            std::ptr::null::<libc::rlimit64>(),
            &raw mut limits,
        )
    };
    if result == 0 { Ok((limits.rlim_cur, limits.rlim_max)) } else { Err(last_error()) }
}

/// setrlimit(2) by number.
pub fn set_limits(resource: u32, (soft, hard): (u64, u64)) -> Result<()> {
    let limits = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the new limit is read from a structure that lives through the call; nothing is written.
    let result = unsafe {
        libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limits, std::ptr::null_mut::<libc::rlimit64>())
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// `struct sched_attr`, linux/sched/types.h, in its first version.
#[repr(C)]
#[derive(Default)]
struct Scheduling {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Gives the caller the scheduling policy, the nice value and the IO priority that another process has.
pub fn take_priorities(of: Pid) -> Result<()> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    let mut scheduling = Scheduling::default();
    let pid = of.as_raw_nonzero().get();
    // SAFETY: at most the size given is written to a structure that lives through the call.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_getattr, pid, &raw mut scheduling, size_of::<Scheduling>(), 0) };
    if result != 0 {
        return Err(last_error());
    }
    schedule(&scheduling)?;
    // SAFETY: numbers only, no memory is touched.
    let priority = unsafe { libc::syscall(libc::SYS_ioprio_get, IOPRIO_WHO_PROCESS, pid) };
    // SAFETY: numbers only, no memory is touched.
    if priority < 0 || unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority) } != 0 {
        return Err(last_error());
    }
    Ok(())
}

/// Puts the caller before every process that is not a real-time one; none that it makes has that from it.
pub fn go_first() -> Result<()> {
    const SCHED_FLAG_RESET_ON_FORK: u64 = 1;
    let policy = u32::try_from(libc::SCHED_FIFO).unwrap_or_default();
    let size = u32::try_from(size_of::<Scheduling>()).unwrap_or_default();
    schedule(&Scheduling { size, policy, priority: 1, flags: SCHED_FLAG_RESET_ON_FORK, ..Scheduling::default() })
}

fn schedule(scheduling: &Scheduling) -> Result<()> {
    // SAFETY: the structure lives through the call, and tells its own size; nothing is written.
    if unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *scheduling, 0) } != 0 {
        return Err(last_error());
    }
    Ok(())
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// kill(2) for real-time signals too, which nix has no names for. It may have ended a moment ago.
pub fn kill(pid: nix::unistd::Pid, signal: i32) {
    // SAFETY: no memory is touched.
    unsafe { libc::kill(pid.as_raw(), signal) };
}

/// The descriptors that systemd has passed on, sd_listen_fds(3). Once: whoever asks again gets none.
pub fn sockets_from_systemd() -> Result<Vec<OwnedFd>> {
    const FIRST: RawFd = 3;
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let ours = number("LISTEN_PID") == Some(std::process::id());
    static TAKEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    if !ours || TAKEN.swap(true, std::sync::atomic::Ordering::Relaxed) {
        return Err(Errno::BADF);
    }
    let count = number("LISTEN_FDS").and_then(|count| RawFd::try_from(count).ok()).unwrap_or(0);
    let mut sockets = Vec::new();
    for fd in FIRST..FIRST + count {
        // SAFETY: only a descriptor flag changes; what is not open answers EBADF.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(last_error());
        }
        // SAFETY: it is open, systemd has made it for this process (LISTEN_PID), and nobody else takes it: TAKEN.
        sockets.push(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    Ok(sockets)
}
