//! The last step: privileges are dropped and the payload takes the process over.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::execve;
use rustix::fs::{Mode, OFlags};

use super::user::Credentials;
use super::{filter, privileges, raw, root};
use crate::error::{Context, Error, Exit, Result};
use crate::plan::Process;

/// Where programs are looked up when the environment has no PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Becomes the payload. What comes back is why that failed; nothing that could be is left to undo.
pub fn execute(process: &Process, credentials: &Credentials) -> Result<Infallible> {
    settle(process, credentials)?;
    replace(process, credentials)
}

/// What a child of this process would inherit too: rights, mask, working directory, and the filter. What follows it are
/// calls that every filter of ours lets through: of files, signals and descriptors, fork(2) and execve(2).
pub fn settle(process: &Process, credentials: &Credentials) -> Result<()> {
    rustix::process::umask(Mode::from_raw_mode(process.umask));
    if process.terminal {
        // As login(1) does: who works on a terminal can open it by name, and /dev/stdout is one. It takes CAP_CHOWN.
        let owner = rustix::fs::Uid::from_raw(credentials.uid);
        rustix::fs::fchown(rustix::stdio::stdin(), Some(owner), None).context("cannot own the terminal")?;
    }
    // The kernel asks for CAP_SYS_ADMIN where programs can still gain privileges, or a filter could deceive one of them; the
    // payload may be about to lose it. Else the filter is last.
    if !process.no_new_privileges {
        filter::put_on(&process.seccomp)?;
    }
    privileges::drop_to(process, credentials)?;
    enter_working_directory(&process.working_directory)?;
    if process.no_new_privileges {
        filter::put_on(&process.seccomp)?;
    }
    Ok(())
}

/// Terminal, signals and descriptors, then execve(2) of what is found in the payload's PATH.
pub fn replace(process: &Process, credentials: &Credentials) -> Result<Infallible> {
    if process.terminal {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).context("cannot take the terminal")?;
    }
    raw::reset_signals().context("cannot reset the signals")?;
    // Whoever opened it, and whoever started us with it: the payload gets stdin, stdout and stderr.
    raw::close_on_exec_above_stderr().context("cannot close descriptors")?;
    let argv = c_strings(process.argv.iter().cloned())?;
    let environment = c_strings(environment(process, credentials))?;
    let program = process.argv.first().map_or("", String::as_str);
    let path = process.environment.iter().find(|(key, _)| key == "PATH").map_or(PATH, |(_, value)| value);
    let errno = try_each(&candidates(program, path), &argv, &environment);
    let exit = if errno == Errno::ENOENT { Exit::CommandNotFound } else { Exit::CannotInvoke };
    Err(Error::new(exit, format!("cannot execute {program}: {}", errno.desc())))
}

/// With the payload's own rights, and never through a magic link: /proc/self/fd/N would be a way out of the root.
fn enter_working_directory(path: &str) -> Result<()> {
    let enter = || -> rustix::io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top: OwnedFd = rustix::fs::open("/", flags, Mode::empty())?;
        stay_inside(root::open(top.as_fd(), path, flags)?)
    };
    enter().map_err(|errno| {
        let cause = Error::from(errno);
        Error::new(Exit::CannotInvoke, format!("cannot enter working directory {path}: {cause}"))
    })
}

/// Another container that shares a volume may have moved a directory out from under its mount meanwhile, and ".." of it is
/// none of ours: the kernel then calls it "(unreachable)/…" (CVE-2024-21626).
fn stay_inside(directory: OwnedFd) -> rustix::io::Result<()> {
    rustix::process::fchdir(directory)?;
    let reachable = rustix::process::getcwd(Vec::new())?.as_bytes().starts_with(b"/");
    if reachable { Ok(()) } else { Err(rustix::io::Errno::STALE) }
}

fn environment(process: &Process, credentials: &Credentials) -> impl Iterator<Item = String> {
    let has_home = process.environment.iter().any(|(key, _)| key == "HOME");
    let home = (!has_home).then(|| format!("HOME={}", credentials.home));
    process.environment.iter().map(|(key, value)| format!("{key}={value}")).chain(home)
}

/// A name with a slash is a path; another is looked up in PATH, as execvp(3) does.
fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let directories = path.split(':').filter(|directory| !directory.is_empty());
    directories.map(|directory| format!("{directory}/{program}")).collect()
}

fn try_each(candidates: &[String], argv: &[CString], environment: &[CString]) -> Errno {
    let mut why = Errno::ENOENT;
    for candidate in candidates {
        let Ok(program) = CString::new(candidate.as_str()) else { return Errno::EINVAL };
        let Err(errno) = execve(&program, argv, environment);
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => why = errno,
            other => return other,
        }
    }
    why
}

fn c_strings(texts: impl Iterator<Item = String>) -> Result<Vec<CString>> {
    texts
        .map(CString::new)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::failed("an argument holds a zero byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_without_a_slash_is_looked_up() {
        assert_eq!(candidates("nginx", "/usr/sbin::/bin"), ["/usr/sbin/nginx", "/bin/nginx"]);
        assert_eq!(candidates("./nginx", "/bin"), ["./nginx"]);
    }

    #[test]
    #[ignore = "rung 1: needs root"]
    fn a_directory_that_was_moved_out_of_its_mount_is_not_entered() {
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        std::thread::spawn(|| {
            let flags = nix::sched::CloneFlags::CLONE_NEWNS | nix::sched::CloneFlags::CLONE_FS;
            nix::sched::unshare(flags).expect("rung 1: a mount namespace");
            mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            std::fs::create_dir_all(at("shared/in/d")).unwrap();
            std::fs::create_dir(at("mounted")).unwrap();
            mount(at("shared/in"), at("mounted"), "", MountFlags::BIND, None).unwrap();
            let open = || OwnedFd::from(std::fs::File::open(at("mounted/d")).unwrap());
            stay_inside(open()).unwrap();
            let directory = open();
            std::fs::rename(at("shared/in/d"), at("shared/d")).unwrap();
            assert_eq!(stay_inside(directory), Err(rustix::io::Errno::STALE));
            rustix::mount::unmount(at("mounted"), rustix::mount::UnmountFlags::DETACH).unwrap();
            rustix::process::chdir("/").unwrap();
        })
        .join()
        .unwrap();
    }
}
