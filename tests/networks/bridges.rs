//! Bridges that soute makes, lists and removes, and those that it leaves alone.

use crate::lab::Lab;
use crate::lab::script::{both, run as run_script};

both!(
    a_bridge_comes_and_goes,
    a_bridge_of_others_stays,
    a_bridge_that_is_written_down,
    a_missing_bridge_is_made_where_asked,
    two_who_make_one_bridge_both_start,
    a_bridge_that_goes_while_containers_run,
);

/// row BRIDGE: its line of the list. Others' bridges make columns wider.
fn run(lab: &Lab, text: &str) {
    run_script(lab, &format!("row() {{ soute bridge list | awk -v name=\"$1\" '$1 == name' | xargs; }}\n{text}"));
}

fn a_bridge_comes_and_goes(lab: &Lab) {
    run(
        lab,
        r#"
        soute bridge create br-made --address 10.71.0.1/24 --address fd00:71::1/64 --mtu 9000
        has "$(row br-made)" "10.71.0.1/24,fd00:71::1/64 0 9000 up soute -"
        details=$(ip -d link show dev br-made)
        has "$details" "mtu 9000"
        has "$details" "alias soute"
        # The connected routes, and nothing that a container could send to make the host's routing its own.
        is "10.71.0.0/24 proto kernel scope link src 10.71.0.1 linkdown" "$(ip route show dev br-made | xargs)"
        lacks "$(ip -6 address show dev br-made)" fe80
        is 0 "$(cat /proc/sys/net/ipv6/conf/br-made/accept_ra)"
        # The same address for ever, whatever is plugged in.
        mac=$(cat /sys/class/net/br-made/address)
        define plugged '[[network]]' 'bridge = "br-made"' 'address = "10.71.0.2/24"'
        soute start plugged
        ping -c 1 -W 5 -q 10.71.0.2 >/dev/null
        is "$mac" "$(cat /sys/class/net/br-made/address)"
        lacks "$(ip -6 address show dev br-made)" fe80
        line=$(row br-made)
        has "$line" " 1 9000 up soute plugged"
        # It is drawn, with what others plugged in.
        ip link add pl-veth master br-made type veth peer name pl-peer
        drawn=$(LC_ALL=C soute network | sed -n '/^br-made/,/^[^|`]/p' | sed 's/vb-[0-9a-f]*/vb/' | tr -s ' ')
        has "$drawn" "br-made 10.71.0.1/24, fd00:71::1/64"
        has "$drawn" "|- plugged eth0 vb 10.71.0.2/24"
        has "$drawn" "\`- veth pl-veth no carrier"
        has "$(LC_ALL=C.UTF-8 soute network)" "└─ veth"
        has "$(soute network --dot)" '"bridge br-made" -- "container plugged" [label="eth0\n10.71.0.2/24"]'
        has "$(soute network --json | tr -d '\n ')" '"container":"plugged","link":"eth0"'
        ip link delete pl-veth
        has "$(soute bridge list --json | tr -d '\n ')" '"used-by":["plugged"]'
        has "$(fails 6 soute bridge remove br-made)" "cannot remove bridge br-made: eth0 of plugged in it (--force removes it)"
        soute stop plugged
        has "$(fails 6 soute bridge remove br-made)" "plugged names it (--force removes it)"
        has "$(fails 1 soute bridge create br-made)" "a link of that name exists"
        soute remove plugged
        soute bridge remove br-made
        lacks "$(soute bridge list)" br-made
        has "$(fails 4 soute bridge remove br-made)" "it does not exist"
        soute bridge create br-made
        is "$mac" "$(cat /sys/class/net/br-made/address)"
        soute bridge remove br-made
        # This kernel may have no VLANs; the virtual machine's has (tests/vm/links.sh).
        if ! soute bridge create br-made --vlan-filtering 2>/root/no-vlans; then
            has "$(cat /root/no-vlans)" "has the kernel no VLANs on bridges?"
        else
            soute bridge remove br-made
        fi
        has "$(fails 2 soute bridge create a-name-that-is-too-long)" "longer than 15 bytes"
        has "$(fails 2 soute bridge create br-made --address 10.71.0.1)" 10.71.0.1
        fails 2 soute bridge create br-made --mtu 10 >/dev/null
        # Whole or not at all.
        has "$(fails 1 soute bridge create br-made --address 10.71.0.1/24 --address 10.71.0.1/24)" "cannot add address"
        [ ! -e /sys/class/net/br-made ]"#,
    );
}

fn a_bridge_of_others_stays(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-theirs up type bridge
        ip link add th-veth type veth peer name th-peer
        has "$(row br-theirs)" " up - -"
        has "$(fails 1 soute bridge remove br-theirs --force)" "soute did not make it"
        has "$(fails 1 soute bridge remove th-veth)" "it is not a bridge"
        has "$(fails 1 soute bridge create th-veth)" "a link of that name exists"
        soute bridge create br-mixed
        ip link set th-veth master br-mixed
        has "$(fails 6 soute bridge remove br-mixed)" "th-veth in it"
        soute bridge remove --force br-mixed
        ip link delete th-veth
        ip link delete br-theirs"#,
    );
}

fn a_bridge_that_is_written_down(lab: &Lab) {
    run(
        lab,
        r#"
        said=$(soute bridge create br-kept --address 10.72.0.1/24 --persist 2>&1)
        netdev=/etc/systemd/network/20-soute-br-kept.netdev
        has "$said" "soute: wrote $netdev"
        has "$said" "systemd-networkd is not running"
        has "$(cat $netdev)" "Name=br-kept"
        has "$(cat ${netdev%.netdev}.network)" "Address=10.72.0.1/24"
        has "$(row br-kept)" "soute (persistent)"
        soute bridge remove br-kept
        [ ! -e $netdev ]
        [ ! -e ${netdev%.netdev}.network ]
        # Somebody's file is somebody's.
        printf '[NetDev]\nName=br-kept\nKind=bridge\n' >/etc/systemd/network/30-kept.netdev
        has "$(fails 1 soute bridge create br-kept --persist)" "30-kept.netdev describes it already"
        [ ! -e /sys/class/net/br-kept ]
        rm /etc/systemd/network/30-kept.netdev"#,
    );
}

fn a_missing_bridge_is_made_where_asked(lab: &Lab) {
    run(
        lab,
        r#"
        link='[[network]]'
        define makes "$link" 'bridge = "br-auto"' 'address = "10.73.0.2/24"'
        has "$(fails 1 soute start makes)" "bridge br-auto does not exist"
        has "$(row br-auto)" missing
        define makes 'restart.delay = "0s"' "$link" 'bridge = "br-auto"' 'create = true' 'address = "10.73.0.2/24"'
        lacks "$(soute check makes 2>&1)" "does not exist"
        soute start makes
        has "$(row br-auto)" "up soute makes"
        # It is left to others when the container stops, and made again when it starts.
        soute stop makes
        has "$(row br-auto)" " 0 "
        soute bridge remove --force br-auto
        systemctl start soute-start@makes
        soon is_state makes active
        is 1 "$(ip -o link show master br-auto | wc -l)"
        # Also at a restart that nobody asked for.
        ip link delete br-auto
        old=$(pid makes)
        kill -9 $old
        soon runs_again makes $old
        is 1 "$(ip -o link show master br-auto | wc -l)"
        soute remove --force makes
        # For large packets where they are wanted.
        soute bridge remove br-auto
        define makes "$link" 'bridge = "br-auto"' 'create = true' 'mtu = 9000'
        soute start makes
        has "$(ip link show dev br-auto)" "mtu 9000"
        soute remove --force makes
        soute bridge remove br-auto
        # What is no bridge is not made one.
        ip link add br-auto type veth peer name br-none
        define makes "$link" 'bridge = "br-auto"' 'create = true'
        has "$(fails 1 soute start makes)" "br-auto is not a bridge but a link of kind veth"
        soute remove makes
        ip link delete br-auto"#,
    );
}

fn two_who_make_one_bridge_both_start(lab: &Lab) {
    run(
        lab,
        r#"
        for n in 1 2 3 4; do
            define racer$n '[[network]]' 'bridge = "br-race"' 'create = true' "address = \"10.74.0.1$n/24\""
        done
        soute start racer1 racer2 racer3 racer4
        for round in 1 2 3 4 5; do
            soute stop racer1 racer2 racer3 racer4
            soute bridge remove --force br-race
            systemctl start soute-start@racer1 soute-start@racer2 soute-start@racer3 soute-start@racer4
            is 4 "$(ip -o link show master br-race | wc -l)"
            has "$(ip -d link show dev br-race)" "alias soute"
            is up "$(cat /sys/class/net/br-race/operstate)"
        done
        soute remove --force racer1 racer2 racer3 racer4
        soute bridge remove br-race"#,
    );
}

fn a_bridge_that_goes_while_containers_run(lab: &Lab) {
    run(
        lab,
        r#"
        soute bridge create br-gone --address 10.75.0.1/24
        define stays 'restart.policy = "no"' '[[network]]' 'bridge = "br-gone"' 'address = "10.75.0.2/24"'
        soute start stays
        ping -c 1 -W 5 -q 10.75.0.2 >/dev/null
        lacks "$(soute status stays)" "in no bridge"
        soute bridge remove --force br-gone 
        # It runs on, and its link leads nowhere: that is told.
        is active "$(state stays)"
        has "$(row br-gone)" missing
        has "$(soute status stays | grep ' Link:')" "in no bridge: soute apply, or a restart, plugs it in"
        has "$(soute network | grep stays)" "stays eth0"
        has "$(fails 7 soute audit stays)" "eth0"
        has "$(fails 7 soute diff stays)" "network.eth0.bridge"
        has "$(fails 1 soute apply stays)" "bridge br-gone does not exist"
        is active "$(state stays)"
        # A bridge of that name that comes back is another one: the port is in none until somebody plugs it in.
        soute bridge create br-gone --address 10.75.0.1/24
        has "$(fails 7 soute verify stays)" "network.eth0.bridge"
        main=$(pid stays)
        soute apply stays >/dev/null
        ping -c 1 -W 5 -q 10.75.0.2 >/dev/null
        is "$main" "$(pid stays)"
        is "" "$(soute verify stays)"
        soute bridge remove --force br-gone
        # It is not stopped for a start that cannot be.
        has "$(fails 1 soute restart stays)" "bridge br-gone does not exist"
        is "$main" "$(pid stays)"
        soute bridge create br-gone --address 10.75.0.1/24
        soute restart stays
        ping -c 1 -W 5 -q 10.75.0.2 >/dev/null
        soute remove --force stays
        soute bridge remove br-gone"#,
    );
}
