//! The whole farm of contrib/farm under `soute doctor --prove`: a reverse proxy on two bridges with a published port, three web
//! servers, one that gets its address from a DHCP server, and restarts. The network of the host is as it was.

use crate::lab::script::{import, run};
use crate::lab::{Lab, source};

/// As many as SOUTE_TORTURE says; `prove.rs` has two hundred of a farm of busybox.
fn restarts() -> u32 {
    std::env::var("SOUTE_TORTURE").ok().and_then(|restarts| restarts.parse().ok()).unwrap_or(12)
}

fn the_farm_leaves_the_host_untouched(release: Option<&str>) {
    let farm = format!("--bind-ro={}:/farm", source().join("contrib/farm").display());
    let lab = Lab::boot(release, &[&farm]);
    import(&lab, "nginx");
    import(&lab, "haproxy");
    import(&lab, "busybox");
    let script = r#"
        cp /farm/bridges.service /etc/systemd/system/soute-farm-bridges.service
        systemctl enable --now --quiet soute-farm-bridges
        # As on a host that has worked before: a bridge gets its fe80:: with the first port that was ever plugged in.
        for bridge in br-front br-farm; do
            ip link add warm type veth peer name warmer
            ip link set warm master $bridge up
            ip link set warmer up
            soon sh -c "ip -6 address show dev $bridge scope link -tentative | grep inet6 >/dev/null"
            ip link delete warm
        done
        # The farm has no host's address on its private bridge; who gives addresses there needs one.
        ip address add 10.88.0.1/24 dev br-farm
        printf '%s\n' 'start 10.88.0.20' 'end 10.88.0.29' 'interface br-farm' 'lease_file /run/farm.leases' \
            'pidfile /run/farm.pid' 'min_lease 60' 'option subnet 255.255.255.0' 'option lease 3600' >/run/farm.conf
        : >>/run/farm.leases
        busybox udhcpd -f /run/farm.conf >/run/farm.log 2>&1 & server=$!
        mkdir -p /etc/soute/containers/proxy.toml.d
        cp -r /farm/*.toml /farm/haproxy.cfg /farm/www /etc/soute/containers/
        printf '%s\n' '[[publish]]' 'listen = "0.0.0.0:8089"' 'to = 80' '[restart]' 'limit = 0' \
            >/etc/soute/containers/proxy.toml.d/10-port.toml
        for n in 1 2 3; do
            mkdir -p /etc/soute/containers/web$n.toml.d
            printf '%s\n' '[restart]' 'limit = 0' >/etc/soute/containers/web$n.toml.d/10-limit.toml
        done
        define leased '[restart]' 'limit = 0' '[[network]]' 'bridge = "br-farm"' 'address = "dhcp"'
        soute check >/dev/null
        ip link set lo up
        cat >/root/farm <<'END'
        set -eEu
        trap 'echo "failed: $BASH_COMMAND" >&2' ERR
        # Asked again for a while: haproxy looks for its servers twice a second.
        all_answer() {
            local try
            for ((try = 0; try < 400; try++)); do
                for n in 1 2 3 4 5 6; do
                    curl --silent --max-time 10 --output /dev/null --write-out '%header{x-served-by}\n' "http://$1/" || true
                done | sort -u >/root/served
                [ "$(grep -c web /root/served)" != 3 ] || return 0
                sleep 0.05
            done
            echo "through $1 answered: $(cat /root/served)" >&2
            return 1
        }
        soute start proxy leased
        all_answer 10.89.0.10
        all_answer 127.0.0.1:8089
        names=(proxy leased web1 web2 web3)
        for ((n = 0; n < RESTARTS; n++)); do systemctl restart soute@${names[n % 5]}; done
        kill -9 $(systemctl show -P MainPID soute@web2)
        all_answer 10.89.0.10
        all_answer 127.0.0.1:8089
        leased=$(grep '^leased	' /run/soute/instances | cut -f 5)
        nsenter -n -t $(systemctl show -P MainPID soute@proxy) ping -c 1 -W 5 -q $leased >/dev/null
        echo "leased: $leased"
END
        said=$(soute doctor --prove bash /root/farm 2>&1) || die "$said"
        has "$said" "no difference"
        has "$said" "leased: 10.88.0.2"
        has "$said" "made by soute, and let pass: vb-"
        cat >/root/gone <<'END'
        set -eu
        soute stop proxy leased web1 web2 web3
        soute remove proxy leased web1 web2 web3
END
        said=$(soute doctor --prove bash /root/gone 2>&1) || die "$said"
        has "$said" "no difference"
        is 0 "$(ip -o link show type veth | wc -l)"
        is "" "$(ss -Hltn 'sport = :8089')"
        # The premise: it would have been found.
        has "$(fails 7 soute doctor --prove ip route add 10.66.0.0/16 via 10.89.0.9)" "+ routes: IPv4 10.66.0.0/16 dev br-front"
        kill $server
        wait $server || true
    "#;
    run(&lab, &script.replace("RESTARTS", &restarts().to_string()));
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn the_whole_farm_leaves_no_difference_on_252() {
    the_farm_leaves_the_host_untouched(None);
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn the_whole_farm_leaves_no_difference_on_257() {
    the_farm_leaves_the_host_untouched(Some("trixie"));
}
