//! Containers that share the network of another one.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(a_network_is_shared_for_as_long_as_it_is_there, nobody_stays_in_a_network_that_has_ended);

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

/// Whatever becomes of the one with the network, whoever shares it is in the network that it has now, or does not run.
fn nobody_stays_in_a_network_that_has_ended(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-left up type bridge
        hub() { define hub "$@" '[[network]]' 'bridge = "br-left"' 'address = "10.70.0.2/24"'; }
        netns() { readlink "/proc/$1/ns/net"; }
        # Those of the test, "eager" with a policy that brings it back, "calm" without.
        settled() {
            local name main hub
            hub=$(pid hub)
            for name in eager calm; do
                main=$(pid $name)
                if [ "$main" != 0 ]; then
                    [ "$hub" != 0 ] && [ "$(netns $main)" = "$(netns $hub)" ] || return 1
                fi
            done
        }
        together() { is_state hub active && is_state "$1" active && settled; }
        gone() { is_state eager inactive && is_state calm inactive; }
        begin() {
            soute start eager calm
            together eager
            together calm
            main=$(pid hub)
        }
        # Back with the one that it shares with, whoever brings it.
        again() { soon runs_again hub $main; soon together eager; soon settled; }
        hub 'restart.delay = "50ms"'
        define eager 'restart.delay = "50ms"' '[namespaces]' 'network = "container:hub"'
        define calm 'restart.policy = "no"' '[namespaces]' 'network = "container:hub"'

        begin; kill -9 $main; again
        begin; soute restart hub; again; together calm
        begin; systemctl restart soute@hub; again
        begin; systemctl restart soute-start@hub; again
        begin; soute stop hub; gone
        begin; systemctl stop soute@hub; soon gone
        begin; systemctl stop soute-start@hub; soon gone

        # A new disk, and back again.
        tree=$(mktemp -d /var/tmp/XXXXXX)
        cp -a /images/busybox/. $tree
        echo new >$tree/new
        soute image import left-new $tree 2>/dev/null
        rm -r $tree
        begin; soute update hub --image left-new --settle 0s 2>/dev/null; again; together calm
        soute exec hub -- test -e /new
        main=$(pid hub)
        soute rollback hub 2>/dev/null; again; together calm

        # For good, by a failure and by an end that is none.
        for end in 3 0; do
            hub "command = [\"sh\", \"-c\", \"trap 'exit $end' USR1; while :; do sleep 0.1; done\"]" 'restart.policy = "no"'
            soute restart hub
            begin; kill -USR1 $main
            soon is_state hub $([ $end = 3 ] && echo failed || echo inactive)
            soon gone
        done

        # What it shares cannot go without it.
        begin
        has "$(fails 6 soute remove hub)" running
        together eager
        soute remove --force hub
        soon gone
        has "$(fails 5 soute start eager)" "there is no container hub"
        soute remove eager calm
        soute image remove left-new
        ip link delete br-left"#,
    );
}
