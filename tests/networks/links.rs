//! Links of all kinds, as definitions ask for them.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(ports_are_told_what_is_declared, a_macvlan_starts_again_at_once,);

/// What every script here begins with.
const INSIDE: &str = r#"
    inside() { local name=$1; shift; nsenter -n -t "$(pid $name)" "$@"; }
    pings() { inside $1 ping -c 1 -W 5 -q $2 >/dev/null; }
    no_answer() { ! inside $1 ping -c 1 -W 1 -q $2 >/dev/null 2>&1; }
"#;

fn script(lab: &Lab, text: &str) {
    run(lab, &format!("{INSIDE}{text}"));
}

fn ports_are_told_what_is_declared(lab: &Lab) {
    script(
        lab,
        r#"
        ip link add br-ports up type bridge
        ip address add 10.65.0.1/24 dev br-ports
        link() { printf '%s\n' '[[network]]' 'bridge = "br-ports"' "address = \"10.65.0.$1/24\""; }
        define shy "$(link 2)" 'isolated = true'
        define loner "$(link 3)" 'isolated = true' 'spoof-check = true'
        define plain "$(link 4)"
        define mute "$(link 5)" 'vlan = 20'
        soute start shy loner plain
        pings shy 10.65.0.4
        pings loner 10.65.0.1
        no_answer shy 10.65.0.3
        own=$(inside loner ip -o link show eth0)
        own=${own#*link/ether }
        own=${own%% *}
        inside loner ip link set eth0 address 02:00:00:00:00:77
        no_answer loner 10.65.0.1
        inside loner ip link set eth0 address $own
        pings loner 10.65.0.1
        # A restart is a new port, told the same.
        soute restart loner
        inside loner ip link set eth0 address 02:00:00:00:00:77
        no_answer loner 10.65.0.1
        has "$(fails 1 soute start mute)" "cannot start mute: bridge br-ports does not keep VLANs apart"
        has "$(soute check mute 2>&1)" "does not keep VLANs apart"
        has "$(soute audit loner)" isolated
        soute stop shy loner plain
        ip link delete br-ports"#,
    );
}

fn a_macvlan_starts_again_at_once(lab: &Lab) {
    script(
        lab,
        r#"
        ip link add wire up type veth peer name far
        ip netns add beyond
        ip link set far netns beyond
        ip -n beyond address add 10.67.0.9/24 dev far
        ip -n beyond link set far up
        define twig '[[network]]' 'kind = "macvlan"' 'parent = "wire"' 'address = "10.67.0.2/24"' \
            '[restart]' 'policy = "always"' 'delay = "10ms"' 'limit = 0'
        soute start twig
        pings twig 10.67.0.9
        for _ in 1 2 3 4 5 6 7 8; do
            was=$(pid twig)
            kill -9 $was
            soon runs_again twig $was
        done
        pings twig 10.67.0.9
        has "$(soute status twig)" "eth0, a macvlan of wire, 10.67.0.2/24"
        lacks "$(soute audit twig)" "not by the definition"
        soute stop twig
        # A link that is no hardware is lent and does not come back; the next start says what is missing.
        ip link add spare type veth peer name other
        define owner '[[network]]' 'kind = "device"' 'parent = "spare"' 'address = "10.68.0.2/24"'
        has "$(soute check owner 2>&1)" "spare is no network card"
        soute start owner
        has "$(inside owner ip -o address show dev eth0)" 10.68.0.2/24
        soute stop owner
        has "$(fails 1 soute start owner)" "link spare does not exist"
        ip netns delete beyond
        gone() { ! ip link show wire >/dev/null 2>&1; }
        soon gone"#,
    );
}
