//! Golden directories: tests/generator/CASE/root is a host, expected is what the generator makes of it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use soute::generator::generate;
use soute::layout::Layout;
use tempfile::TempDir;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generator").join(name)
}

/// The host of a case, writable by its owner only, whatever the umask of the clone.
fn host(name: &str) -> TempDir {
    let host = tempfile::tempdir().unwrap();
    let copy = "cp -r --no-dereference \"$1/.\" \"$2\" && chmod -R go-w \"$2\"";
    let status = Command::new("sh").args(["-c", copy, "sh"]).args([&case(name).join("root"), host.path()]).status();
    assert!(status.unwrap().success());
    host
}

/// Generates from `root`; the directory, and what was logged.
fn generated(root: &Path) -> (TempDir, Vec<String>) {
    let (output, mut log) = (tempfile::tempdir().unwrap(), Vec::new());
    generate(&Layout::new(root), output.path(), Duration::from_secs(60), &mut |line| log.push(line.to_owned()))
        .unwrap();
    (output, log)
}

fn assert_same(expected: &Path, output: &Path) {
    let diff = Command::new("diff").args(["-ru", "--no-dereference"]).args([expected, output]).output().unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
}

fn units(output: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(output.join("multi-user.target.wants")) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn layers_masks_and_dropins() {
    let (output, log) = generated(host("layers").path());
    assert_same(&case("layers/expected"), output.path());
    assert_eq!(log, [""; 0]);
}

#[test]
fn order_is_kept_unless_it_is_a_cycle() {
    let (output, log) = generated(host("order").path());
    assert_same(&case("order/expected"), output.path());
    let expected = fs::read_to_string(case("order/expected.log")).unwrap();
    assert_eq!(log.join("\n") + "\n", expected);
}

#[test]
fn a_broken_definition_is_launched_and_told_of() {
    let (output, log) = generated(host("broken").path());
    assert_same(&case("broken/expected"), output.path());
    for broken in ["typo", "type", "latin1", "nul", "injected", "directory", "loop", "dangling", "dropin"] {
        let told = log.iter().filter(|line| line.starts_with(&format!("launching {broken} unread: "))).count();
        assert_eq!(told, 1, "{broken}: {log:#?}");
    }
    assert!(log.iter().any(|line| line.ends_with("a b.toml\" is no name, ignoring")), "{log:#?}");
    assert_eq!(log.len(), 10, "{log:#?}");
}

#[test]
fn attack_13_hostile_files_neither_hang_nor_hide_the_others() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/soute/containers");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("good.toml"), "autostart = true").unwrap();
    nix::unistd::mkfifo(&directory.join("fifo.toml"), Mode::S_IRWXU).unwrap();
    nix::unistd::mkfifo(&root.path().join("etc/soute/defaults.toml"), Mode::S_IRWXU).unwrap();
    File::create(directory.join("huge.toml")).unwrap().set_len(1 << 30).unwrap();
    std::os::unix::fs::symlink("/dev/zero", directory.join("endless.toml")).unwrap();
    fs::write(directory.join("anybodys.toml"), "wants = 'evil.service'").unwrap();
    fs::set_permissions(directory.join("anybodys.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(directory.join("good.toml.d"), "a drop-in directory that is none").unwrap();
    fs::write(directory.join("deep.toml"), format!("a = {}", "[".repeat(500_000))).unwrap();
    let begin = Instant::now();
    let (output, log) = generated(root.path());
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let all = ["anybodys", "deep", "endless", "fifo", "good", "huge"].map(|name| format!("soute-start@{name}.service"));
    assert_eq!(units(output.path()), all);
    assert_eq!(log.len(), 7, "{log:#?}");
}

#[test]
fn what_is_not_read_in_time_is_launched_unread() {
    let (root, output, mut log) = (host("order"), tempfile::tempdir().unwrap(), Vec::new());
    let layout = Layout::new(root.path());
    generate(&layout, output.path(), Duration::ZERO, &mut |line| log.push(line.to_owned())).unwrap();
    let all = ["cache", "db", "late", "ring-a", "ring-b", "web"].map(|name| format!("soute-start@{name}.service"));
    assert_eq!(units(output.path()), all);
    assert_eq!(log.len(), all.len(), "{log:#?}");
}

fn run(root: &Path, arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soute-generator")).args(arguments).env("SOUTE_ROOT", root).output().unwrap()
}

#[test]
fn the_program_writes_to_its_first_directory_and_never_fails() {
    let [normal, early, late] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let broken = host("broken");
    let output = run(broken.path(), &[normal.path(), early.path(), late.path()]);
    assert_eq!(output.status.code(), Some(0));
    assert_same(&case("broken/expected"), normal.path());
    assert!([early, late].iter().all(|other| fs::read_dir(other.path()).unwrap().next().is_none()));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.lines().all(|line| line.starts_with("<3>soute-generator: ")), "{told}");

    let again = run(broken.path(), &[normal.path()]);
    assert_eq!(again.status.code(), Some(0), "what is there already is no fault");
    let nothing = tempfile::tempdir().unwrap();
    let output = run(nothing.path(), &[&nothing.path().join("out")]);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    assert!(!nothing.path().join("out").exists(), "without definitions nothing is made");
    assert_eq!(run(nothing.path(), &[]).status.code(), Some(2));
}
