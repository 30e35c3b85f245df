//! Containers that share the network of another one.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(a_network_is_shared_for_as_long_as_it_is_there,);

fn a_network_is_shared_for_as_long_as_it_is_there(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-pod up type bridge
        again='[restart]' policy='policy = "always"' delay='delay = "50ms"' limit='limit = 0'
        define pod '[[network]]' 'bridge = "br-pod"' 'address = "10.69.0.2/24"' "$again" "$policy" "$delay" "$limit"
        define side '[namespaces]' 'network = "container:pod"' "$again" "$policy" "$delay" "$limit"
        define beside '[namespaces]' 'network = "container:pod"'
        netns() { readlink "/proc/$(pid $1)/ns/net"; }
        together() { local one=$(netns pod); [ -n "$one" ] && [ "$one" = "$(netns side)" ]; }
        soute start side
        is active "$(state pod)"
        together
        [ "$(netns side)" != "$(readlink /proc/self/ns/net)" ]
        is "$(netns pod)" "$(soute exec side -- readlink /proc/self/ns/net)"
        has "$(soute exec side -- cat /proc/net/dev)" eth0
        soute start beside
        is "$(netns pod)" "$(netns beside)"
        soute audit pod side beside >/dev/null || die "$(soute audit pod side beside)"
        # Another's network cannot be changed with one's own capabilities.
        has "$(soute exec side -- sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' 2>&1 || true)" "Read-only file system"

        # A number of a namespace that has gone may be that of the next.
        was=$(pid side)
        soute restart pod
        together
        [ "$(pid side)" != "$was" ]
        is "$(netns pod)" "$(netns beside)"
        soute stop beside

        # A crash: both come back, in the new network.
        main=$(pid side)
        kill -9 "$(pid pod)"
        soon runs_again side "$main"
        soon together

        # One of them alone goes and comes back into the same.
        was=$(netns pod) main=$(pid side)
        kill -9 "$main"
        soon runs_again side "$main"
        is "$was" "$(netns side)"

        soute stop pod
        soon is_state side inactive
        define pod '[namespaces]' 'network = "host"'
        define alone 'restart.policy = "no"' '[namespaces]' 'network = "container:pod"'
        has "$(fails 1 soute start alone)" 'cannot share the network of pod: it has the host'
        define alone '[namespaces]' 'network = "container:nobody"'
        has "$(soute check alone 2>&1 || true)" "there is no container nobody"
        define alone '[namespaces]' 'network = "container:alone"'
        has "$(soute check alone 2>&1 || true)" "alone waits for itself"
        soute stop pod
        rm /etc/soute/containers/{pod,side,beside,alone}.toml
        ip link delete br-pod"#,
    );
}
