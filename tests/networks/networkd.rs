//! systemd-networkd beside soute: it makes the bridges, and leaves the ports of containers in them.

use crate::lab::Lab;
use crate::lab::script::run;

/// A lab of its own: networkd is one for the whole host.
fn networkd_does_not_fight(lab: &Lab) {
    crate::lab::script::import(lab, "busybox");
    run(
        lab,
        r#"
        mkdir -p /etc/systemd/network
        cp /bridges/*.netdev /bridges/*.network /etc/systemd/network/
        # Where /sys can be written to, networkd waits for udev to have seen each link, and this machine may have no udev.
        if [ ! -e /usr/lib/systemd/systemd-udevd ]; then
            mkdir -p /etc/systemd/system/systemd-networkd.service.d
            printf '[Service]\nReadOnlyPaths=/sys\n' >/etc/systemd/system/systemd-networkd.service.d/lab.conf
            systemctl daemon-reload
        fi
        systemctl start systemd-networkd
        there() { [ -e /sys/class/net/$1/bridge ]; }
        soon there br0
        soon there br-private
        has_address() { ip address show dev br0 | grep 10.88.0.1/24 >/dev/null; }
        soon has_address
        has "$(soute bridge list | grep '^br0 ')" networkd
        has "$(fails 1 soute bridge remove --force br0)" "soute did not make it"
        define calm 'restart.delay = "0s"' '[[network]]' 'bridge = "br0"' 'address = ["10.88.0.20/24", "fd00:88::20/64"]' \
            '[[network]]' 'bridge = "br-private"' 'address = "10.90.0.20/24"'
        soute start calm
        state() {
            ip -o link show master br0 | wc -l
            ip -o link show master br-private | wc -l
            nsenter -n -t "$(pid calm)" ip -o address show scope global | awk '{ print $2, $4 }' | sort | xargs
        }
        wanted="1
1
eth0 10.88.0.20/24 eth0 fd00:88::20/64 eth1 10.90.0.20/24"
        # Once networkd has looked at the ports it has decided about them.
        settled() { ! networkctl --no-legend --no-pager list | grep -E ' vb-' | grep -E 'pending|initialized|configuring' >/dev/null; }
        stays() { soon settled; is "$wanted" "$(state)"; ping -c 1 -W 5 -q 10.88.0.20 >/dev/null; has_address; }
        stays
        networkctl reload
        stays
        networkctl reconfigure br0 br-private
        stays
        networkctl reconfigure $(ls /sys/class/net/br0/brif /sys/class/net/br-private/brif | grep ^vb-)
        stays
        systemctl restart systemd-networkd
        stays
        # A new port while networkd runs, and one after a crash.
        soute restart calm
        stays
        old=$(pid calm)
        kill -9 $old
        soon runs_again calm $old
        stays
        # Bridges that soute writes down are made by networkd.
        said=$(soute bridge create br-kept --address 10.91.0.1/24 --persist 2>&1)
        lacks "$said" "not running"
        mac=$(cat /sys/class/net/br-kept/address)
        ip link delete br-kept
        systemctl restart systemd-networkd
        soon there br-kept
        kept_address() { ip address show dev br-kept | grep 10.91.0.1/24 >/dev/null; }
        soon kept_address
        is "$mac" "$(cat /sys/class/net/br-kept/address)"
        has "$(soute bridge list | grep '^br-kept ')" "soute (persistent)"
        stays
        soute bridge remove br-kept
        lacks "$(soute bridge list)" br-kept
        # What networkd does to them changes nothing on the host either.
        ok=$(soute doctor | grep ' networkd ')
        has "$ok" "leaves the ports of containers (vb-*) alone"
        # The kernel adds the host's own route to an IPv6 address a second after the bridge has a carrier (DAD).
        all_there() { [ -z "$(ip -6 address show tentative)" ]; }
        soon all_there
        has "$(soute doctor --prove soute restart calm)" "no difference"
        # The premise: a file that matches everything takes the ports out of their bridges, and doctor says so before.
        printf '[Match]\nName=*\n[Network]\nLinkLocalAddressing=no\n' >/etc/systemd/network/30-all.network
        has "$(fails 1 soute doctor)" "30-all.network matches the ports of containers (vb-*)"
        networkctl reload
        unplugged() { [ -z "$(ip -o link show master br0)" ]; }
        soon unplugged
        has "$(soute network)" "in no bridge"
        has "$(soute status calm)" "in no bridge"
        rm /etc/systemd/network/30-all.network
        networkctl reload
        soute restart calm
        stays
        soute remove --force calm"#,
    );
}

fn lab(release: Option<&str>) -> Lab {
    let bridges = crate::lab::source().join("contrib/bridges/networkd");
    Lab::boot(release, &[&format!("--bind-ro={}:/bridges", bridges.display())])
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn networkd_leaves_ports_alone_on_252() {
    networkd_does_not_fight(&lab(None));
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn networkd_leaves_ports_alone_on_257() {
    networkd_does_not_fight(&lab(Some("trixie")));
}
