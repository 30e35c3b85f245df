//! Links of all kinds, as definitions ask for them.

use std::process::Command;

use crate::lab::image::tree;
use crate::lab::script::{both, run};
use crate::lab::{Lab, Ran};

both!(
    ports_are_told_what_is_declared,
    a_macvlan_starts_again_at_once,
    a_moved_address_answers_at_once,
    a_router_between_two_bridges,
);

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

fn a_moved_address_answers_at_once(lab: &Lab) {
    script(
        lab,
        r#"
        ip link add br-move address 02:aa:00:00:00:01 type bridge
        ip address add 10.70.0.1/24 dev br-move
        ip address add fd00:70::1/64 dev br-move nodad
        ip link set br-move up
        link='[[network]]' bridge='bridge = "br-move"' at='address = ["10.70.0.2/24", "fd00:70::2/64"]'
        define keeper "$link" "$bridge" 'address = ["10.70.0.3/24", "fd00:70::3/64"]'
        soute start keeper
        # The host asks anew at each start; a neighbour knows what it is told.
        known() { inside keeper ip neigh show to $1 dev eth0 | grep -o '02:[0-9a-f:]*' || true; }
        own() { inside $1 ip -o link show eth0 | grep -o 'ether [0-9a-f:]*' | cut -d' ' -f2; }
        # at NAME [LINE…]: the address is that container's from now on.
        at() {
            local name=$1
            shift
            define $name "$link" "$bridge" "$at" "$@"
            soute start $name
        }
        forget() { soute stop $1; rm /etc/soute/containers/$1.toml; }
        at one
        pings keeper 10.70.0.2
        pings keeper fd00:70::2
        first=$(own one)
        is "$first $first" "$(known 10.70.0.2) $(known fd00:70::2)"
        forget one
        # The premise: who is not told goes on sending to an address that nobody has any more.
        at mute '[sysctl]' '"net.ipv4.conf.all.arp_notify" = "0"' '"net.ipv6.conf.all.ndisc_notify" = "0"'
        is "$first $first" "$(known 10.70.0.2) $(known fd00:70::2)"
        forget mute
        at two '[sysctl]' '"net.ipv4.conf.eth0.rp_filter" = "2"'
        is "$(own two) $(own two)" "$(known 10.70.0.2) $(known fd00:70::2)"
        inside keeper ping -c 1 -W 1 -q 10.70.0.2 >/dev/null
        inside keeper ping -c 1 -W 1 -q fd00:70::2 >/dev/null
        # What is said of one link holds for it.
        is "2 0" "$(soute exec two -- cat /proc/sys/net/ipv4/conf/eth0/rp_filter /proc/sys/net/ipv6/conf/eth0/accept_ra | xargs)"
        forget two
        forget keeper
        ip link delete br-move"#,
    );
}

/// The image "router": busybox, and nft as this machine has it.
fn router_image(lab: &Lab) {
    let build = r#"
        cp -a "$1" "$2"
        for file in /usr/sbin/nft $(ldd /usr/sbin/nft | grep -o '/[^ )]*'); do
            mkdir -p "$2${file%/*}"
            cp -L "$file" "$2$file"
        done"#;
    let mut command = Command::new("bash");
    command.args(["-euc", build, "bash"]).args([tree("busybox"), lab.root().join("root/router")]);
    Ran::of("the router's image", &mut command).ok();
    lab.ok("soute image import router /root/router");
}

fn a_router_between_two_bridges(lab: &Lab) {
    router_image(lab);
    script(
        lab,
        r#"
        for side in left right; do ip link add br-$side mtu 9000 up type bridge; done
        net() { printf '%s\n' '[[network]]' "bridge = \"br-$1\"" "address = [\"10.7$2.0.$3/24\", \"fd00:7$2::$3/64\"]"; }
        define router 'image = "router"' "$(net left 1 254)" "$(net right 2 254)" '[security]' 'capabilities.add = ["NET_ADMIN"]' \
            '[sysctl]' '"net.ipv4.ip_forward" = "1"' '"net.ipv6.conf.all.forwarding" = "1"'
        define left "$(net left 1 2)" 'gateway = ["10.71.0.254", "fd00:71::254"]'
        define right "$(net right 2 2)" 'gateway = ["10.72.0.254"]' \
            'routes = [{ to = "fd00:71::/64", via = "fd00:72::254", metric = 50 }]'
        define six '[[network]]' 'bridge = "br-left"' 'address = "fd00:71::6/64"' 'gateway = "fd00:71::254"'
        soute start router left right six
        pings left 10.72.0.2
        pings left fd00:72::2
        pings six fd00:72::2
        is "" "$(inside six ip -4 -o address show dev eth0)"
        inside left ping -M do -s 8972 -c 1 -W 5 -q 10.72.0.2 >/dev/null
        # Names have no other address either.
        has "$(soute exec left -- cat /etc/hosts)" "fd00:71::6	six"
        # Its own rules, which it makes in its own network, and none of the host's.
        before=$(chroot /root/router nft list ruleset)
        soute exec router -- nft add table inet gate
        soute exec router -- nft add chain inet gate pass '{ type filter hook forward priority 0; policy drop; }'
        no_answer left 10.72.0.2
        no_answer six fd00:72::2
        soute exec router -- nft add rule inet gate pass ip6 version 6 accept
        pings six fd00:72::2
        no_answer left 10.72.0.2
        soute exec router -- nft add rule inet gate pass accept
        pings left 10.72.0.2
        is "$before" "$(chroot /root/router nft list ruleset)"
        lacks "$before" "inet gate"
        soute stop router left right six
        ip link delete br-left
        ip link delete br-right"#,
    );
}
