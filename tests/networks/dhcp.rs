//! `address = "dhcp"`, with a real server on the bridge.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    a_lease_is_taken_shown_renewed_and_lost,
    its_name_servers_are_asked_as_long_as_it_holds,
    silence_fails_a_start_in_a_bounded_time,
    the_image_may_ask_itself,
);

/// serve NET LINE…: a server on a bridge of its own, which gives .20 to .29.
const SERVER: &str = r#"
    serve() {
        local net=$1; shift
        { printf '%s\n' "start 10.$net.0.20" "end 10.$net.0.29" "interface br-d$net" "lease_file /run/d$net.leases" \
            "pidfile /run/d$net.pid" "min_lease 60" "option subnet 255.255.255.0" "$@"; } >/run/d$net.conf
        : >>/run/d$net.leases
        busybox udhcpd -f /run/d$net.conf >/run/d$net.log 2>&1 & server=$!
    }
    bridge() {
        ip link add br-d$1 up type bridge
        ip address add 10.$1.0.1/24 dev br-d$1
    }
    addresses() { grep "^$1	" /run/soute/instances | cut -f 5; }
    inside() { nsenter -n -t "$(pid $1)" ip "${@:2}"; }
    # As if the lease had been given so many seconds earlier.
    age() {
        local file=/run/soute/state/$1/leases.json now
        now=$(cut -d. -f 1 /proc/uptime)
        obtained=$((now > $2 ? now - $2 : 0))
        sed -i "s/\"obtained\":[0-9]*/\"obtained\":$obtained/" $file
    }
    obtained() { grep -o '"obtained":[0-9]*' /run/soute/state/$1/leases.json | cut -d: -f 2; }
"#;

fn a_lease_is_taken_shown_renewed_and_lost(lab: &Lab) {
    let script = r#"
        bridge 91
        serve 91 'option router 10.91.0.1' 'option lease 120'
        define leased '[[network]]' 'bridge = "br-d91"' 'address = ["dhcp", "fd00:91::9/64"]'
        define peer '[[network]]' 'bridge = "br-d91"' 'address = "10.91.0.7/24"'
        soute check leased
        soute start peer leased
        address=$(addresses leased | cut -d, -f 1)
        case $address in 10.91.0.2?) ;; *) die "it has '$address'" ;; esac
        is "$address,fd00:91::9" "$(addresses leased)"
        has "$(inside leased address)" "inet $address/24"
        has "$(inside leased route)" "default via 10.91.0.1"
        inside leased link >/dev/null
        has "$(soute list)" "$address"
        has "$(soute status leased)" "$address/24"
        has "$(soute network)" "$address/24"
        has "$(soute exec peer -- cat /etc/hosts)" "$address	leased"
        nsenter -n -t "$(pid peer)" ping -c 1 -W 5 -q $address >/dev/null
        # What was given is as it should be.
        soute verify leased
        soute diff leased
        # And what somebody has taken away inside is told.
        inside leased route delete default
        has "$(fails 7 soute verify leased | tr -s ' ')" "network.eth0.gateway drift default via 10.91.0.1 gone"
        inside leased address delete $address/24 dev eth0
        has "$(fails 7 soute verify leased | tr -s ' ')" "network.eth0.address drift $address/24 fd00:91::9/64 fd00:91::9/64"
        inside leased address add $address/24 dev eth0
        inside leased route add default via 10.91.0.1
        soute verify leased
        soute audit leased >/dev/null
        is 600 "$(stat -c %a /run/soute/state/leased/leases.json)"
        is active "$(systemctl is-active soute-dhcp@leased.timer)"
        # Nothing of the client stays.
        lacks "$(sed 's,.*,/proc/&/comm,' /sys/fs/cgroup/soute.slice/soute@leased.service/cgroup.procs | xargs cat)" udhcpc
        # A fresh lease is left alone, one that is half over is renewed: the same address.
        before=$(stat -c %i /run/soute/state/leased/leases.json)
        systemctl start soute-dhcp@leased.service
        is $before "$(stat -c %i /run/soute/state/leased/leases.json)"
        age leased 70
        aged=$(obtained leased)
        systemctl start soute-dhcp@leased.service
        [ "$(obtained leased)" -gt "$aged" ]
        is "$address,fd00:91::9" "$(addresses leased)"
        # The timer does so by itself.
        age leased 70
        aged=$(obtained leased)
        for ((try = 0; try < 240; try++)); do [ "$(obtained leased)" = "$aged" ] || break; sleep 1; done
        [ "$(obtained leased)" -gt "$aged" ]
        # A live change that has nothing to do with links leaves it.
        define leased 'hosts."api.local" = "10.91.9.9"' '[[network]]' 'bridge = "br-d91"' 'address = ["dhcp", "fd00:91::9/64"]'
        soute apply leased
        has "$(soute exec peer -- cat /etc/hosts)" "$address	leased"
        has "$(inside leased address)" "inet $address/24"
        # Without a server it stays until its lease is over, and that is said once.
        kill $server; wait $server || true
        age leased 70
        systemctl start soute-dhcp@leased.service
        systemctl start soute-dhcp@leased.service
        has "$(inside leased address)" "inet $address/24"
        said() { soute logs leased | grep -c "$1" || true; }
        soon eval '[ "$(said "keeps $address/24 until its lease ends: ")" = 1 ]'
        sed -i 's/"seconds":[0-9]*/"seconds":1/' /run/soute/state/leased/leases.json
        systemctl start soute-dhcp@leased.service
        lacks "$(inside leased address)" "$address"
        lacks "$(inside leased route)" default
        is fd00:91::9 "$(addresses leased)"
        lacks "$(soute exec peer -- cat /etc/hosts)" "$address	leased"
        soon eval '[ "$(said "has lost $address/24, whose lease has ended")" = 1 ]'
        soute verify leased
        # Nor is it lost for ever.
        serve 91 'option router 10.91.0.1' 'option lease 120'
        systemctl start soute-dhcp@leased.service
        has "$(addresses leased)" 10.91.0.2
        soon eval '[ "$(said "has the address 10.91.0.2")" = 1 ]'
        # The one of an earlier run is asked for again.
        address=$(addresses leased | cut -d, -f 1)
        main=$(pid leased)
        kill -9 $main
        soon runs_again leased $main
        is "$address,fd00:91::9" "$(addresses leased)"
        soute stop leased peer
        soon eval '[ "$(systemctl is-active soute-dhcp@leased.timer)" = inactive ]'
        kill $server
        ip link delete br-d91"#;
    run(lab, &[SERVER, script].concat());
}

fn its_name_servers_are_asked_as_long_as_it_holds(lab: &Lab) {
    let script = r#"
        bridge 94
        serve 94 'option dns 10.94.0.1 127.0.0.1 10.94.0.2' 'option domain lab.example' 'option lease 240'
        link='[[network]]' bridge='bridge = "br-d94"' dhcp='address = "dhcp"'
        resolver() { soute exec ${1:-asks} -- cat /etc/resolv.conf | grep -v '^#' | xargs; }
        again() {
            kill $server; wait $server || true
            serve 94 "$@"
            age asks 130
            systemctl start soute-dhcp@asks.service
        }
        said() { soute logs asks | grep -c "$1" || true; }
        define asks "$link" "$bridge" "$dhcp"
        soute check asks
        # There before the payload is.
        define reads 'command = ["sh", "-c", "cat /etc/resolv.conf; sleep infinity"]' "$link" "$bridge" "$dhcp"
        soute start asks reads
        is "nameserver 10.94.0.1 nameserver 10.94.0.2 search lab.example" "$(resolver)"
        soon eval 'soute logs reads | grep "nameserver 10.94.0.2" >/dev/null'
        soute verify asks
        soute diff asks
        soute audit asks >/dev/null
        # Those of the definition, if it says so; and the image's.
        define own 'dns.servers = "10.0.0.9"' "$link" "$bridge" "$dhcp"
        define none 'dns.servers = []' "$link" "$bridge" "$dhcp"
        soute start own none
        is "nameserver 10.0.0.9" "$(resolver own)"
        fails 1 soute exec none -- cat /etc/resolv.conf >/dev/null
        # An image that is not written to, and has no such file, does without; one that has it shows the leases'.
        cp -a /images/busybox /var/tmp/kept
        touch /var/tmp/kept/etc/hosts
        soute image import bare /var/tmp/kept >/dev/null
        echo 'nameserver 10.0.0.8' >/var/tmp/kept/etc/resolv.conf
        soute image import kept /var/tmp/kept >/dev/null
        for name in bare kept; do
            define $name "image = \"$name\"" 'disk.mode = "read-only"' "$link" "$bridge" "$dhcp"
            soute start $name
        done
        fails 1 soute exec bare -- cat /etc/resolv.conf >/dev/null
        is "nameserver 10.94.0.1 nameserver 10.94.0.2 search lab.example" "$(resolver kept)"
        soute stop own none reads bare kept
        soute rm bare kept
        soute image remove bare kept
        rm -r /var/tmp/kept
        # What is changed live is changed beside it; then the definition's own, and back.
        define asks 'dns.options = "edns0"' 'dns.search = "own.example"' "$link" "$bridge" "$dhcp"
        soute apply asks >/dev/null
        is "search own.example options edns0 nameserver 10.94.0.1 nameserver 10.94.0.2" "$(resolver)"
        define asks 'dns.servers = "10.0.0.9"' "$link" "$bridge" "$dhcp"
        soute apply asks >/dev/null
        is "nameserver 10.0.0.9" "$(resolver)"
        define asks "$link" "$bridge" "$dhcp"
        soute apply asks >/dev/null
        is "nameserver 10.94.0.1 nameserver 10.94.0.2 search lab.example" "$(resolver)"
        is "" "$(soute diff asks)"
        # A renewal brings other ones, and says so once. Of what nobody could be called nothing is taken.
        pid=$(pid asks) address=$(addresses asks)
        again 'option dns 10.94.0.7' 'option search a.example b.example' 'option domain lab.example' 'option lease 240'
        is "nameserver 10.94.0.7 search a.example b.example" "$(resolver)"
        again 'option dns 10.94.0.7' 'option domain -no;name' 'option lease 240'
        is "nameserver 10.94.0.7" "$(resolver)"
        age asks 130
        systemctl start soute-dhcp@asks.service
        soon eval '[ "$(said "resolv.conf says now: nameserver 10.94.0.7; search a.example b.example")" = 1 ]'
        soon eval '[ "$(said "resolv.conf says now: nameserver 10.94.0.7$")" = 1 ]'
        is "$address" "$(addresses asks)"
        # Whatever a payload has written there.
        soute exec asks -- sh -c 'head -c 3000 /dev/urandom >/etc/resolv.conf'
        again 'option dns 10.94.0.8' 'option lease 240'
        is "nameserver 10.94.0.8" "$(resolver)"
        # Leases as an older soute has noted them.
        sed -i 's/"servers":\[[^]]*],"search":\[[^]]*],//' /run/soute/state/asks/leases.json
        lacks "$(cat /run/soute/state/asks/leases.json)" 10.94.0.8
        age asks 130
        systemctl start soute-dhcp@asks.service
        is "nameserver 10.94.0.8" "$(resolver)"
        # They go with the lease.
        kill $server; wait $server || true
        age asks 130
        sed -i 's/"seconds":[0-9]*/"seconds":1/' /run/soute/state/asks/leases.json
        systemctl start soute-dhcp@asks.service
        is "" "$(resolver)"
        has "$(soute exec asks -- cat /etc/resolv.conf)" "kept up to date by soute"
        is $pid "$(pid asks)"
        soute verify asks
        soute stop asks
        ip link delete br-d94"#;
    run(lab, &[SERVER, script].concat());
}

fn silence_fails_a_start_in_a_bounded_time(lab: &Lab) {
    let script = r#"
        bridge 92
        define silent 'restart.policy = "no"' '[[network]]' 'bridge = "br-d92"' 'address = "dhcp"'
        # Five questions, two seconds each; the limit is for slow machines.
        SECONDS=0
        has "$(fails 1 soute start silent)" "cannot get an address for eth0 by DHCP: no DHCP server answers"
        [ $SECONDS -lt 60 ]
        lacks "$(ip link)" "master br-d92"
        # Nothing of the client stays; that of another test may run.
        soon [ ! -e /sys/fs/cgroup/soute.slice/soute@silent.service ]
        # A lease that nobody could keep.
        serve 92 'option lease 60'
        has "$(fails 1 soute start silent)" "gives a lease of 60 s, and less than 120 s is not kept"
        kill $server; wait $server || true
        # A router that is nowhere.
        serve 92 'option lease 600' 'option router 10.99.0.1'
        has "$(fails 1 soute start silent)" "no usable router"
        kill $server; wait $server || true
        serve 92 'option lease 600'
        soute start silent
        has "$(addresses silent)" 10.92.0.2
        lacks "$(inside silent route)" default
        # One-off containers ask like any other.
        has "$(soute run --network bridge=br-d92,address=dhcp busybox -- ip address)" "inet 10.92.0.2"
        soute stop silent
        kill $server
        ip link delete br-d92"#;
    run(lab, &[SERVER, script].concat());
}

fn the_image_may_ask_itself(lab: &Lab) {
    let script = r#"
        bridge 93
        serve 93 'option lease 600'
        define asks 'init = "image"' 'command = ["/bin/sh", "-c", "while :; do sleep 1; done"]' 'ready = "exec"' 'stop.timeout = "1s"' \
            '[[network]]' 'bridge = "br-d93"' 'address = "dhcp"'
        soute start asks
        lacks "$(inside asks -4 address show dev eth0)" 10.93
        has "$(inside asks link show dev eth0)" ",UP"
        is "" "$(systemctl list-units --plain --no-legend 'soute-dhcp@asks.timer')"
        inside asks address add 10.93.0.200/24 dev eth0
        soute verify asks
        soute stop asks
        kill $server
        ip link delete br-d93"#;
    run(lab, &[SERVER, script].concat());
}
