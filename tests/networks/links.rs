//! Links of all kinds, as definitions ask for them.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(ports_are_told_what_is_declared,);

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
