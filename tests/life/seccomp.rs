//! The filter in force: asked by a program that makes one system call, of the kernel and through both its entries.

use std::process::Command;

use crate::lab::Lab;
use crate::lab::script::{both, import, run};

both!(
    attack_08_calls_that_no_container_makes_are_refused,
    every_process_of_a_container_is_under_the_filter,
    a_definition_opens_what_it_names,
    privileges_can_be_gained_under_the_filter,
    packages_are_installed_under_the_filter,
    systems_boot_and_nest_under_their_filter,
);

/// Brings the program to /root/syscall of the lab.
fn bring(lab: &Lab) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("syscall");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/life/syscall.c");
    let flags = ["-O1", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-o"];
    assert!(Command::new("gcc").args(flags).arg(&program).arg(source).status().unwrap().success());
    lab.write("/root/syscall", std::fs::read(program).unwrap());
    lab.ok("chmod 755 /root/syscall");
}

const MOUNT: &str = r#"
    tool='[[mount]]
source = "/root/syscall"
target = "/syscall"
read-only = true'
    # call NAME CALL [ARGUMENT…]: what the kernel answers in that container.
    call() { local name=$1; shift; soute exec "$name" -- /syscall "$@"; }
"#;

fn attack_08_calls_that_no_container_makes_are_refused(lab: &Lab) {
    bring(lab);
    run(
        lab,
        &format!(
            r#"{MOUNT}
        define held "$tool"
        define free "$tool" '[security]' 'seccomp = "off"' 'capabilities.add = "SYS_ADMIN"'
        soute start held free
        is 2 "$(awk '/^Seccomp:/ {{ print $2 }}' /proc/$(pid held)/status)"
        is 0 "$(awk '/^Seccomp:/ {{ print $2 }}' /proc/$(pid free)/status)"
        # Each is reached without the filter, and its own answer is another one: arguments that nothing can be done with.
        refused() {{
            local answer=$1 what=$2
            shift 2
            is "$what: $answer" "$what: $(call held "$@")"
            local free
            free=$(call free "$@")
            [ "$free" != "$answer" ] || die "$what is refused without the filter too: $free"
        }}
        refused -1 add_key 248 0 0 0 0 0
        refused -1 keyctl 250 0 0xfffffffd 0
        refused -1 request_key 249 0 0 0 0
        refused -1 unshare.user 272 0x10000000
        refused -1 clone.user 56 0x10000011
        refused -1 unshare.high 272 0x700000000010000000
        refused -38 clone3 435 0 0
        refused -1 setns 308 0xffffffff 0
        refused -1 fsopen 430 0 0
        refused -1 open_tree 428 0xffffff9c 0 0
        refused -1 io_uring_setup 425 1 0
        refused -1 userfaultfd 323 0xffffffff
        refused -1 perf_event_open 298 0 0 0 0 0
        refused -1 vmsplice 278 0xffffffff 0 0 0
        refused -1 modify_ldt 154 0 0 0
        refused -97 socket.packet 41 17 3 0
        refused -97 socketpair.packet 53 17 3 0 0
        refused -22 socket.audit 41 16 3 9
        refused -1 ioctl.tiocsti 16 0 0x5412 0
        refused -1 ioctl.tioclinux 16 0 0xffffffff0000541c 0
        refused -1 personality 135 0x40000
        # The 32-bit entry.
        refused -1 add_key.32 -32 286 0 0 0 0 0
        refused -1 keyctl.32 -32 288 0 0xfffffffd 0
        refused -38 socketcall.32 -32 102 1 0
        refused -97 socket.packet.32 -32 359 17 3 0
        refused -1 unshare.user.32 -32 310 0x10000000
        refused -1 clone.user.32 -32 120 0x10000011
        # ALG, VSOCK, RXRPC, which not every kernel has.
        for family in 38 40 33; do
            is -97 "$(call held 41 $family 5 0)"
        done
        # x32, and what no kernel has yet.
        is -38 "$(call held 0x40000027)"
        is -38 "$(call held 600)"
        is -38 "$(call held -32 600)"
        # What is let through.
        for fine in "41 1 1 0" "41 2 1 0" "41 10 1 0" "41 16 3 0" "135 0xffffffff" "272 0x600"; do
            answer=$(call held $fine)
            [ "$answer" -ge 0 ] || die "$fine: $answer"
        done
        soute remove --force held free"#
        ),
    );
}

fn every_process_of_a_container_is_under_the_filter(lab: &Lab) {
    run(
        lab,
        r#"
        mode() { awk '/^Seccomp:/ { print $2 }' "$1"; }
        define under 'init = "reaper"' 'command = ["sleep", "infinity"]' '[reload]' 'command = ["cp", "/proc/self/status", "/reloaded"]'
        soute start under
        main=$(pid under)
        is soute-reaper "$(cat /proc/$main/comm)"
        is 2 "$(mode /proc/$main/status)"
        for process in $(cat /sys/fs/cgroup$(prop under ControlGroup)/cgroup.procs); do
            is 2 "$(mode /proc/$process/status)"
        done
        is 2 "$(soute exec under -- awk '/^Seccomp:/ { print $2 }' /proc/self/status)"
        is 2 "$(echo "awk '/^Seccomp:/ { print \$2 }' /proc/self/status" | soute shell under)"
        # As many as there, not one more.
        is "$(grep ^Seccomp_filters: /proc/$main/status)" "$(soute exec under -- grep ^Seccomp_filters: /proc/self/status)"
        systemctl reload soute@under
        is 2 "$(mode /var/lib/soute/disks/under/root/reloaded)"
        systemctl restart soute@under
        is 2 "$(mode /proc/$(pid under)/status)"
        soute remove --force under
        is 2 "$(soute run --rm busybox -- awk '/^Seccomp:/ { print $2 }' /proc/self/status)"
        is 2 "$(soute run --rm --namespace user=host busybox -- awk '/^Seccomp:/ { print $2 }' /proc/self/status)""#,
    );
}

fn a_definition_opens_what_it_names(lab: &Lab) {
    bring(lab);
    run(
        lab,
        &format!(
            r#"{MOUNT}
        define wide "$tool" '[security]' 'allow-syscalls = ["keyctl", "socket"]' 'capabilities.add = "SYS_ADMIN"'
        soute start wide
        has "$(marked wide)" weakened
        has "$(soute status wide)" "system call keyctl"
        is 2 "$(awk '/^Seccomp:/ {{ print $2 }}' /proc/$(pid wide)/status)"
        for open in "250 0 0xfffffffd 0" "272 0x08000000"; do
            answer=$(call wide $open)
            [ "$answer" -ge 0 ] || die "$open: $answer"
        done
        # AF_PACKET is there, and wants NET_RAW.
        is -1 "$(call wide 41 17 3 0)"
        # No more than that.
        is -1 "$(call wide 248 0 0 0 0 0)"
        is -97 "$(call wide 53 17 3 0 0)"
        soute remove --force wide
        define odd '[security]' 'allow-syscalls = "keyclt"'
        has "$(fails 5 soute check odd)" 'did you mean "keyctl"?'
        rm /etc/soute/containers/odd.toml"#
        ),
    );
}

/// Without no-new-privileges it takes CAP_SYS_ADMIN to put a filter on, which the payload never has.
fn privileges_can_be_gained_under_the_filter(lab: &Lab) {
    run(
        lab,
        r#"
        shown="awk '/^(Seccomp|NoNewPrivs):/ { printf \$2 } END { print \"\" }' /proc/self/status"
        for init in none reaper; do
            for user in root www-data; do
                for ids in auto host; do
                    define gain "init = \"$init\"" "user = \"$user\"" '[security]' 'no-new-privileges = false' \
                        '[namespaces]' "user = \"$ids\""
                    soute start gain
                    # The lab has no CAP_SYS_RESOURCE to read the limits of another user of its own with.
                    [ $user$ids = www-datahost ] || is "02" "$(soute exec gain -- sh -c "$shown")"
                    is "02" "$(awk '/^(Seccomp|NoNewPrivs):/ { printf $2 }' /proc/$(pid gain)/status)"
                    soute remove --force gain
                done
            done
        done"#,
    );
}

/// dpkg and apt, which change owners and users, unpack, and run scripts.
fn packages_are_installed_under_the_filter(lab: &Lab) {
    import(lab, "debian");
    run(
        lab,
        r#"
        define packages 'image = "debian"'
        soute start packages
        soute exec packages -- sh -euc '
            mkdir -p /tmp/x/DEBIAN /tmp/x/usr/share/x
            printf "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n" \
                >/tmp/x/DEBIAN/control
            printf "\043!/bin/sh\nset -e\nadduser --system --quiet x || useradd --system x\nchown x /usr/share/x/file\n" \
                >/tmp/x/DEBIAN/postinst
            chmod 755 /tmp/x/DEBIAN/postinst
            echo x >/tmp/x/usr/share/x/file
            dpkg-deb --build --root-owner-group /tmp/x /tmp/x.deb
            apt-get install --yes /tmp/x.deb
            [ "$(stat -c %U /usr/share/x/file)" = x ]
            apt-get purge --yes x' >/tmp/packages.log 2>&1 || die "$(cat /tmp/packages.log)"
        soute remove --force packages"#,
    );
}

fn systems_boot_and_nest_under_their_filter(lab: &Lab) {
    bring(lab);
    import(lab, "trixie");
    run(
        lab,
        &format!(
            r#"{MOUNT}
        define nest 'image = "trixie"' 'init = "image"' "$tool"
        soute start nest
        main=$(pid nest)
        is "systemd 2" "$(cat /proc/$main/comm) $(awk '/^Seccomp:/ {{ print $2 }}' /proc/$main/status)"
        has "$(soute exec nest -- systemctl --version)" "systemd 257"
        is running "$(soute exec nest -- systemctl is-system-running --wait)"
        lacks "$(marked nest)" weakened
        # A container in the container.
        is "1 root" "$(soute exec nest -- unshare --user --map-root-user --pid --mount --fork --mount-proc \
            sh -c 'echo $$ $(id -un)')"
        soute exec nest -- sh -euc 'mkdir /tmp/m; mount -t tmpfs none /tmp/m; umount /tmp/m'
        is 0 "$(soute exec nest -- systemd-run --quiet --wait --pipe -p PrivateTmp=yes -p PrivateNetwork=yes \
            -p ProtectSystem=strict -p DynamicUser=yes sh -c 'id -u >/dev/null; echo $?')"
        # And what a system has no need of either.
        is -1 "$(call nest 250 0 0xfffffffd 0)"
        is -1 "$(call nest 321 0 0 0)"
        is -97 "$(call nest 41 38 5 0)"
        is -22 "$(call nest 41 16 3 9)"
        soute exec nest -- systemctl poweroff || true
        soon is_state nest inactive
        soute remove --force nest"#
        ),
    );
}
