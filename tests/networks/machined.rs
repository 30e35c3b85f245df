//! systemd-machined knows containers where the host says so, and never stops one of them by itself. Labs of their own: what
//! soute.toml says is said of a whole machine.

use crate::lab::Lab;
use crate::lab::script::{import, run};

#[test]
#[ignore = "rung 2: nested systemd"]
fn machined_of_252_lists_what_runs() {
    in_lab(None);
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn machined_of_257_lists_what_runs() {
    in_lab(Some("trixie"));
}

fn in_lab(release: Option<&str>) {
    crate::lab::image::in_lab("busybox");
    let lab = Lab::boot(release, &[]);
    import(&lab, "busybox");
    run(
        &lab,
        r#"
        ip link add br-list up type bridge
        ip address add 10.91.0.1/24 dev br-list
        define told 'restart.delay = "50ms"' 'restart.limit = 0' '[[network]]' 'bridge = "br-list"' 'address = "10.91.0.2/24"'
        # The premise: without a word in soute.toml there is no process more, and no machine.
        soute start told
        is "" "$(prop told ExecStartPost)"
        is "" "$(machinectl list --no-legend)"
        soute stop told
        mkdir -p /etc/soute
        echo 'machined = true' >/etc/soute/soute.toml
        soute start told
        has "$(machinectl list --no-legend)" "told"
        status=$(machinectl status told --no-pager)
        has "$status" "soute@told.service"
        has "$status" "10.91.0.2"
        has "$status" "$(ip -o link show master br-list | cut -d: -f2 | cut -d@ -f1 | xargs)"
        is "$(pid told)" "$(machinectl show told --value -p Leader)"
        is soute "$(machinectl show told --value -p Service)"
        has "$(systemd-cgls --no-pager -M told)" "sleep infinity"
        has "$(busctl call org.freedesktop.machine1 /org/freedesktop/machine1 org.freedesktop.machine1.Manager GetMachineAddresses s told)" "10 91 0 2"
        # The host finds it by its name, in the way of nss-mymachines(8), as long as it runs.
        is "" "$(grep -s mymachines /etc/nsswitch.conf)"
        ! getent hosts told
        finds() { is "10.91.0.2 told" "$(getent "$@" hosts told | xargs)"; }
        finds -s mymachines
        echo 'hosts: files mymachines dns' >/etc/nsswitch.conf
        finds
        ping -c 1 -W 5 -q told >/dev/null
        leads() { [ "$(machinectl show told --value -p Leader 2>/dev/null)" = "$(pid told)" ] && is_state told active; }
        # Nobody but us ends it: crashes, kills and restarts, machined's own among them.
        for round in 1 2 3 4; do
            main=$(pid told)
            case $round in
            1) kill -9 $main ;;
            2) systemctl kill -s KILL soute@told ;;
            3) systemctl restart soute@told ;;
            4) systemctl restart systemd-machined; kill -9 $main ;;
            esac
            soon runs_again told $main
            soon leads
        done
        is 1 "$(machinectl list --no-legend | wc -l)"
        sleep 1
        leads
        finds
        # A clean-up that did not come leaves an entry, which the next start makes good.
        mkdir -p /etc/systemd/system/soute@told.service.d
        printf '[Service]\nExecStopPost=\n' >/etc/systemd/system/soute@told.service.d/none.conf
        systemctl daemon-reload
        soute stop told
        rm -r /etc/systemd/system/soute@told.service.d
        systemctl daemon-reload
        soute start told
        soon leads
        # A machine of another tool keeps its name.
        systemd-run -q --unit other sleep infinity
        other=$(systemctl show -P MainPID other)
        busctl call org.freedesktop.machine1 /org/freedesktop/machine1 org.freedesktop.machine1.Manager RegisterMachine sayssus \
            taken 0 test container "$other" "" >/dev/null
        define taken
        soute start taken
        is_state taken active
        said taken "a machine of that name is there, other.service"
        soute stop taken
        is "$other" "$(machinectl show taken --value -p Leader)"
        systemctl stop other
        # It is stopped by machinectl as any machine is, and stays so.
        machinectl terminate told
        gone() { [ "$(state told)" = inactive ] && [ -z "$(machinectl list --no-legend)" ]; }
        soon gone
        ! getent hosts told
        # One-off containers are none of its business.
        is "" "$(soute run busybox -- sh -c 'sleep 0.1' && machinectl list --no-legend)"
        ip link delete br-list"#,
    );
}
