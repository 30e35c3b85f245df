//! `address = "auto"`: the lowest free address of the networks that the bridge is in.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    lowest_free_addresses_stay_and_are_freed,
    a_bridge_that_moves_gives_new_addresses_and_a_full_one_says_so,
    many_at_once_never_get_the_same,
    launcher_waits_for_the_network_of_a_bridge,
    an_address_without_a_network_reaches_its_gateway,
);

/// As hosters give them: /32 and /128, and a router that is in none of their networks.
fn an_address_without_a_network_reaches_its_gateway(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-alone up type bridge
        ip address add 10.80.0.1/32 dev br-alone
        ip address add fd00:80::1/128 dev br-alone nodad
        ip route add 192.0.2.7/32 dev br-alone
        ip -6 route add fd00:88:7::7/128 dev br-alone
        alone() { define alone '[[network]]' 'bridge = "br-alone"' 'address = ["192.0.2.7/32", "fd00:88:7::7/128"]' "$@"; }
        reaches() {
            soute check alone
            soute start alone
            soon nsenter -n -t "$(pid alone)" ping -c 1 -W 1 -q 10.80.0.1 >/dev/null
            soon nsenter -n -t "$(pid alone)" ping -c 1 -W 1 -q fd00:80::1 >/dev/null
            soute verify alone
            soute stop alone
        }
        alone 'gateway = ["10.80.0.1", "fd00:80::1"]'
        reaches
        # Or with routes of its own, which say the same.
        alone 'gateway = ["10.80.0.1", "fd00:80::1"]' 'routes = [{ to = "10.80.0.1/32" }, { to = "fd00:80::/64" }]'
        reaches
        alone 'routes = [{ to = "10.80.0.0/24" }, { to = "0.0.0.0/0", via = "10.80.0.1" }, { to = "fd00:80::1/128" }]'
        reaches
        soute remove alone
        ip link delete br-alone
        "#,
    );
}

fn lowest_free_addresses_stay_and_are_freed(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-auto up type bridge
        ip address add 10.81.0.1/24 dev br-auto
        ip address add fd00:81::1/64 dev br-auto nodad
        auto() { define $1 '[[network]]' 'bridge = "br-auto"' 'address = "auto"' "${@:2}"; }
        addresses() { grep "^$1	" /run/soute/instances | cut -f 5; }
        # Held by definitions, running or not, and mentioned in them.
        define auto-fixed '[[network]]' 'bridge = "br-auto"' 'address = ["10.81.0.2/24", "fd00:81::3/64"]' 'gateway = "10.81.0.4"'
        auto auto-a
        auto auto-b 'gateway = ["10.81.0.1", "fd00:81::1"]'
        soute check auto-a auto-b
        soute start auto-a auto-b auto-fixed
        is "10.81.0.3,fd00:81::2" "$(addresses auto-a)"
        is "10.81.0.5,fd00:81::4" "$(addresses auto-b)"
        has "$(grep ^auto-b /run/soute/instances)" "10.81.0.5,fd00:81::4"
        has "$(soute status auto-b)" 10.81.0.5
        has "$(soute exec auto-b -- ip route)" "default via 10.81.0.1"
        nsenter -n -t "$(pid auto-a)" ping -c 1 -W 5 -q 10.81.0.5 >/dev/null
        has "$(soute exec auto-a -- cat /etc/hosts)" "10.81.0.5	auto-b"
        soute audit auto-b >/dev/null
        # It stays, though a lower one gets free.
        rm /etc/soute/containers/auto-fixed.toml
        soute remove --force auto-fixed >/dev/null 2>&1 || soute stop auto-fixed
        soute stop auto-a auto-b
        soute start auto-b auto-a
        is "10.81.0.3,fd00:81::2" "$(addresses auto-a)"
        is "10.81.0.5,fd00:81::4" "$(addresses auto-b)"
        main=$(pid auto-a)
        kill -9 $main
        soon runs_again auto-a $main
        is "10.81.0.3,fd00:81::2" "$(addresses auto-a)"
        # One-off containers get one as well, and give it back.
        has "$(soute run --network bridge=br-auto,address=auto busybox -- ip address)" "inet 10.81.0.2/24"
        soute remove --force auto-a
        auto auto-c
        soute start auto-c
        is "10.81.0.2,fd00:81::2" "$(addresses auto-c)"
        # What somebody has cannot be another's, as long as he has it.
        define auto-thief '[[network]]' 'bridge = "br-auto"' 'address = "10.81.0.2/24"'
        has "$(fails 1 soute start auto-thief)" "auto-c, which runs, has the address 10.81.0.2"
        # A definition that names it gets it, once it is not in use.
        soute stop auto-c
        soute start auto-thief
        has "$(soute start auto-c 2>&1)" "has the address 10.81.0.3/24 now, no longer 10.81.0.2/24"
        is "10.81.0.3,fd00:81::2" "$(addresses auto-c)"
        soute remove --force auto-b auto-c auto-thief
        ip link delete br-auto"#,
    );
}

fn a_bridge_that_moves_gives_new_addresses_and_a_full_one_says_so(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-move up type bridge
        for n in 1 2 3; do define move$n '[[network]]' 'bridge = "br-move"' 'address = "auto"'; done
        has "$(fails 1 soute start move1)" "bridge br-move has no address of its own"
        ip address add 10.82.0.1/30 dev br-move
        soute start move1
        has "$(soute list)" 10.82.0.2
        has "$(fails 1 soute start move2)" "every address of 10.82.0.0/30 on bridge br-move is taken"
        soute stop move1
        ip address flush dev br-move
        ip address add 10.82.7.9/29 dev br-move
        has "$(soute start move1 2>&1)" "eth0 of move1 has the address 10.82.7.10/29 now, no longer 10.82.0.2/30"
        soute start move2 move3
        has "$(soute list)" 10.82.7.11
        has "$(soute list)" 10.82.7.12
        # A wider network is the same one.
        soute stop move3
        ip address flush dev br-move
        ip address add 10.82.7.9/24 dev br-move
        is "" "$(soute start move3 2>&1)"
        has "$(soute exec move3 -- ip address show eth0)" "10.82.7.12/24"
        # An address that ends is not the administrator's.
        ip address flush dev br-move
        ip address add 10.82.8.1/24 dev br-move valid_lft 1000 preferred_lft 1000
        define move4 '[[network]]' 'bridge = "br-move"' 'address = "auto"'
        has "$(fails 1 soute start move4)" "has no address of its own"
        soute remove --force move1 move2 move3 move4
        ip link delete br-move"#,
    );
}

fn many_at_once_never_get_the_same(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-rush up type bridge
        ip address add 10.83.0.1/24 dev br-rush
        for n in $(seq 30); do define rush$n '[[network]]' 'bridge = "br-rush"' 'address = "auto"'; done
        for n in $(seq 30); do soute start rush$n & starts[$n]=$!; done
        for start in "${starts[@]}"; do wait $start || die "a start failed"; done
        is "$(seq -f '10.83.0.%g' 2 31)" "$(grep ^rush /run/soute/instances | cut -f 5 | sort -t . -n -k 4)"
        soute remove --force rush{1..30}
        ip link delete br-rush"#,
    );
}

fn launcher_waits_for_the_network_of_a_bridge(lab: &Lab) {
    run(
        lab,
        r#"
        define slow '[[network]]' 'bridge = "br-slow"' 'address = "auto"'
        systemctl start --no-block soute-start@slow
        launches() { [ "$(systemctl show -P ActiveState soute-start@slow)" = activating ]; }
        soon launches
        sleep 0.3
        ip link add br-slow up type bridge
        sleep 0.3
        is inactive "$(state slow)"
        ip address add 10.84.0.1/24 dev br-slow
        soon is_state slow active
        has "$(grep ^slow /run/soute/instances)" 10.84.0.2
        soute remove --force slow
        ip link delete br-slow"#,
    );
}
