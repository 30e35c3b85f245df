//! Bridges: what is plugged in answers, and nothing of it outlives the container.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    two_bridges_two_families,
    missing_bridge_is_named_and_changes_nothing,
    no_link_outlives_stop_crash_or_kill,
    launcher_waits_for_a_bridge,
);

fn two_bridges_two_families(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-front up type bridge
        ip link add br-back up type bridge
        ip address add 10.61.0.1/24 dev br-front
        define gate '[[network]]' 'bridge = "br-front"' 'address = ["10.61.0.2/24", "fd00:61::2/64"]' 'gateway = ["10.61.0.1"]' \
            '[[network]]' 'bridge = "br-back"' 'address = ["10.62.0.2/24"]'
        define behind '[[network]]' 'bridge = "br-back"' 'address = ["10.62.0.3/24"]'
        define beside '[[network]]' 'bridge = "br-front"' 'address = ["10.61.0.4/24", "fd00:61::4/64"]'
        soute start gate behind beside
        has "$(soute list)" "10.61.0.2,fd00:61::2,10.62.0.2"
        inside() { local name=$1; shift; nsenter -n -t "$(pid $name)" "$@"; }
        pings() { inside $1 ping -c 1 -W 5 -q $2 >/dev/null; }
        pings gate 10.62.0.3
        pings gate 10.61.0.4
        pings gate 10.61.0.1
        pings behind 10.62.0.2
        ping -c 1 -W 5 -q 10.61.0.2 >/dev/null
        # An IPv6 address is tentative for a moment.
        soon pings gate fd00:61::4
        # The premise of two bridges: what is on one alone does not reach the other.
        ! inside behind ping -c 1 -W 1 -q 10.61.0.4 >/dev/null 2>&1
        has "$(inside gate ip route show default)" "default via 10.61.0.1 dev eth0"
        is "eth0 eth1 lo" "$(inside gate ls /proc/self/net/dev_snmp6 | xargs)"
        soute stop gate behind beside
        is "" "$(ip -o link show master br-front; ip -o link show master br-back)"
        ip link delete br-front
        ip link delete br-back"#,
    );
}

fn missing_bridge_is_named_and_changes_nothing(lab: &Lab) {
    run(
        lab,
        r#"
        define unplugged '[[network]]' 'bridge = "br-none"' 'address = ["10.63.0.2/24"]'
        is "soute: cannot start unplugged: bridge br-none does not exist" "$(fails 1 soute start unplugged)"
        is not-found "$(prop unplugged LoadState)"
        [ ! -e /var/lib/soute/disks/unplugged/root ]
        ip link add br-none type veth peer name no-bridge
        has "$(fails 1 soute start unplugged)" "br-none is not a bridge"
        ip link delete br-none"#,
    );
}

fn no_link_outlives_stop_crash_or_kill(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-ends up type bridge
        ports() { ip -o link show master br-ends | wc -l; }
        unplugged() { [ "$(ports)" = 0 ]; }
        link='[[network]]' bridge='bridge = "br-ends"'
        define ends 'restart.policy = "no"' "$link" "$bridge"
        soute start ends
        is 1 "$(ports)"
        soute stop ends
        is 0 "$(ports)"
        soute start ends
        kill -9 $(pid ends)
        soon unplugged
        soon is_state ends inactive
        define ends 'restart.policy = "no"' 'command = ["sh", "-c", "sleep 0.2; exit 1"]' "$link" "$bridge"
        soute start ends
        soon is_state ends failed
        is 0 "$(ports)"
        define ends 'restart.policy = "no"' 'command = ["/no/such/program"]' "$link" "$bridge"
        fails 1 soute start ends >/dev/null
        soon unplugged
        # Also when the clean-up is killed with everything else.
        define ends 'restart.policy = "no"' "$link" "$bridge"
        soute start ends
        systemctl kill -s KILL soute@ends
        soon unplugged
        soon is_state ends inactive
        ip link delete br-ends"#,
    );
}

fn launcher_waits_for_a_bridge(lab: &Lab) {
    run(
        lab,
        r#"
        define patient '[[network]]' 'bridge = "br-late"' 'address = ["10.64.0.2/24"]'
        systemctl start --no-block soute-start@patient
        launches() { [ "$(systemctl show -P ActiveState soute-start@patient)" = activating ]; }
        soon launches
        sleep 0.3
        is inactive "$(state patient)"
        ip link add br-late up type bridge
        soon is_state patient active
        soute stop patient
        ip link delete br-late
        # And for a link that is to be a parent. By hand either is an error at once, not after the 30 s of the launcher.
        has "$(within 15000 fails 1 soute start patient)" "bridge br-late does not exist"
        define patient '[[network]]' 'kind = "macvlan"' 'parent = "late"' 'address = ["10.64.0.2/24"]'
        has "$(within 15000 fails 1 soute start patient)" "link late does not exist"
        systemctl start --no-block soute-start@patient
        soon launches
        sleep 0.3
        is inactive "$(state patient)"
        ip link add late up type veth peer name later
        ip link set later up
        soon is_state patient active
        soute stop patient
        ip link delete late"#,
    );
}
