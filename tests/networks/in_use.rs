//! An address that a machine on the bridge has, which is no container.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(an_address_in_use_keeps_a_container_from_starting);

fn an_address_in_use_keeps_a_container_from_starting(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-used type bridge
        ip address add 10.72.0.1/24 dev br-used
        ip address add fd00:72::1/64 dev br-used nodad
        ip link set br-used up
        ip netns add elsewhere
        ip link add wire type veth peer name far address 02:aa:00:00:00:09 netns elsewhere
        ip link set wire master br-used up
        ip -n elsewhere address add 10.72.0.9/24 dev far
        ip -n elsewhere address add fd00:72::9/64 dev far nodad
        ip -n elsewhere link set far up
        soon ping -c 1 -W 1 -q 10.72.0.9 >/dev/null
        at() { printf '%s\n' '[[network]]' 'bridge = "br-used"' "address = $1" '[restart]' 'policy = "no"'; }
        define four "$(at '"10.72.0.9/24"')"
        define six "$(at '["10.72.0.6/24", "fd00:72::9/64"]')"
        define own "$(at '"10.72.0.1/24"')"
        define free "$(at '["10.72.0.10/24", "fd00:72::10/64"]')"
        has "$(fails 1 soute start four)" "the address 10.72.0.9 is in use on br-used: 02:aa:00:00:00:09 has it, behind wire"
        has "$(fails 1 soute start six)" "the address fd00:72::9 is in use on br-used: 02:aa:00:00:00:09 has it, behind wire"
        has "$(fails 1 soute start own)" "the address 10.72.0.1 is the host's own on br-used"
        # Nobody was disturbed, and nothing stays.
        ping -c 1 -W 5 -q 10.72.0.9 >/dev/null
        is "" "$(ip -o link show master br-used | grep vb- || true)"
        has "$(soute check four 2>&1)" "warning: the address 10.72.0.9 is in use on br-used: 02:aa:00:00:00:09"
        lacks "$(soute check free 2>&1)" "in use"
        soute start free
        # Its own answer is no other's: not while it runs, not when it starts again after a kill.
        lacks "$(soute check free 2>&1)" "in use"
        main=$(pid free)
        kill -9 $main
        for _ in 1 2 3; do soute restart free; done
        is "" "$(ip neigh show to 10.72.0.6 dev br-used)"
        # Nor is that of a container which has just ended: the next one has its address at once.
        define heir "$(at '["10.72.0.10/24", "fd00:72::10/64"]')"
        has "$(fails 5 soute start heir)" "free has the address 10.72.0.10 on br-used already"
        rm /etc/soute/containers/free.toml
        has "$(fails 1 soute start heir)" "free, which runs, has the address"
        for _ in 1 2 3; do
            systemctl kill -s KILL soute@free soute@heir 2>/dev/null || true
            soute stop free heir 2>/dev/null || true
            soute start heir
        done
        # A host that does not want it says so; and once the other is gone there is nothing to say.
        echo 'probe-addresses = false' >/etc/soute/soute.toml
        soute start four
        lacks "$(soute check six 2>&1)" "in use"
        soute stop four
        rm /etc/soute/soute.toml
        ip netns delete elsewhere
        soute start four six
        soute stop four six heir
        rm /etc/soute/containers/{four,six,own,heir}.toml
        ip link delete br-used"#,
    );
}
