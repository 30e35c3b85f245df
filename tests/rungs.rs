//! The ladder itself: each rung offers what the tests above it take for granted.

mod lab;

use lab::{Lab, vm::Vm};
use std::time::Duration;

#[test]
#[ignore = "rung 2: nested systemd"]
fn host_systemd_is_pid_1_and_up() {
    let lab = lab::host();
    assert_eq!(lab.ok("cat /proc/1/comm"), "systemd\n");
    assert_eq!(lab.ok("systemctl is-system-running"), "running\n");
    assert_eq!(lab.ok("cat /proc/self/cgroup | grep ^0::"), "0::/lab.shell\n");
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn trixie_runs_systemd_257() {
    let version = lab::trixie().ok("systemctl --version");
    assert!(version.starts_with("systemd 257 "), "{version}");
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn transient_unit_keeps_its_exit_status_without_a_bus() {
    // root speaks to /run/systemd/private, so that containers start before dbus does.
    let lab = Lab::boot(None, &[]);
    lab.ok("systemctl stop dbus.socket dbus.service; ! busctl list");
    lab.ok(
        "systemd-run --quiet --unit=brief -p Type=oneshot -p RemainAfterExit=yes -p SuccessExitStatus=7 sh -c 'exit 7'",
    );
    assert_eq!(lab.ok("systemctl show --value -p Transient,ExecMainStatus brief"), "7\nyes\n");
    assert!(lab.stop() < Duration::from_secs(20));
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn wires_and_namespaces_work_inside() {
    let ran = lab::host().script(
        "ip link add br-rung up type bridge
         ip address add 192.0.2.1/24 dev br-rung
         unshare --user --map-root-user --net --mount --pid --fork sleep 60 & sleep 0.3
         inner=$(pgrep -f '^sleep 60')
         ip link add vb-rung up master br-rung type veth peer name eth0 netns $inner
         nsenter -t $inner -n ip address add 192.0.2.2/24 dev eth0
         nsenter -t $inner -n ip link set eth0 up
         nsenter -t $inner -n ip -brief address show eth0
         ping -c 1 -W 2 192.0.2.2
         kill -KILL $inner
         for i in $(seq 100); do ip link show vb-rung >/dev/null 2>&1 || break; sleep 0.05; done
         ! ip link show vb-rung 2>/dev/null
         ip link delete br-rung",
    );
    assert!(ran.clone().ok().contains("192.0.2.2/24"), "{ran}");
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn idmapped_root_works_inside() {
    let tree = lab::image::in_lab("busybox");
    // nspawn with ownership "map" makes an idmapped mount of the tree; a file that root of the container creates there has
    // to belong to root on the disk.
    let ran = lab::host().script(&format!(
        "cp -a {tree} /var/busybox
         SYSTEMD_SECCOMP=0 systemd-nspawn -q -D /var/busybox --register=no --keep-unit --pipe \
             --private-users=1000000:65536 --private-users-ownership=map /bin/sh -c 'touch /made; cat /proc/self/uid_map' </dev/null
         stat -c owner=%u /var/busybox/made
         rm -rf /var/busybox"
    ));
    let stdout = ran.ok();
    assert!(stdout.contains("1000000") && stdout.contains("owner=0"), "{stdout}");
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn reboot_keeps_files_and_forgets_the_rest() {
    let lab = Lab::boot(None, &[]);
    let (leader, boot) = (lab.leader(), lab.ok("cat /proc/sys/kernel/random/boot_id"));
    lab.write("/var/lib/kept", "still here");
    lab.ok("systemd-run --unit=gone sleep infinity && touch /run/gone");
    lab.reboot();
    assert_ne!(lab.leader(), leader);
    assert_ne!(lab.ok("cat /proc/sys/kernel/random/boot_id"), boot);
    assert_eq!(lab.ok("cat /var/lib/kept"), "still here");
    assert_ne!(lab.run("systemctl is-active gone").status, 0);
    assert_ne!(lab.run("test -e /run/gone").status, 0);
    // A line that fails stays a failure, and its words are kept apart.
    let ran = lab.run("echo out; echo err >&2; exit 9");
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (9, "out\n", "err\n"));
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn make_install_is_what_the_lab_sees() {
    let lab = lab::host();
    lab.ok("test -x /usr/local/bin/soute -a -x /usr/local/libexec/soute/soute-runner");
    lab.ok("test -x /usr/local/lib/systemd/system-generators/soute-generator");
    // What is on the start path has no dynamic loader; soute has one, which is how we know that readelf would show it.
    let loaded = lab.ok("cd /usr/local; readelf -lW bin/soute libexec/soute/* lib/systemd/system-generators/* | \
                         awk '/^File:/ { file = $2 } /INTERP/ { print file }'");
    assert_eq!(loaded, "bin/soute\n");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn vm_has_controllers_and_reboots() {
    let vm = Vm::new();
    let ran = vm.boot(
        "cat /sys/fs/cgroup/cgroup.controllers; uname -r; systemctl --version | head -1
         test -x /usr/local/libexec/soute/soute-runner
         systemd-run --quiet --wait --pipe -p MemoryMax=64M sh -c 'cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max'
         echo kept >/var/lib/kept; exit 3",
        120,
    );
    assert_eq!(ran.status, 3, "{ran}");
    for word in ["cpu io memory", "cloud-amd64", "systemd 252", "67108864"] {
        assert!(ran.stdout.contains(word), "{word} in {ran}");
    }
    let ran = vm.boot("cat /var/lib/kept; sync; echo b >/proc/sysrq-trigger; sleep 60", 60);
    assert_eq!((ran.status, ran.stdout.as_str()), (-1, "kept\n"), "{ran}");
}
