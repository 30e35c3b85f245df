# Links that take a kernel with all of its network drivers.
modprobe -a 8021q dummy
ip link add br-vlan up type bridge vlan_filtering 1
ip address add 10.66.0.1/24 dev br-vlan
inside() { nsenter -n -t "$(property "$1" MainPID)" "${@:2}"; }
reaches() { inside "$1" ping -c 1 -W "${3:-10}" -q "$2" >/dev/null 2>&1 && echo yes || echo no; }
link() {
    define "$1" <<T
image = "busybox"
command = ["sleep", "infinity"]
[[network]]
bridge = "br-vlan"
address = "10.66.0.$2/24"
$3
T
    start "$1"
}
link vlan-none 2 ""
link vlan-a 3 "vlan = 20"
link vlan-b 4 "vlan = 20
spoof-check = true"
link vlan-c 5 "vlan = 30"
link vlan-trunk 6 "tagged = [20, 30]"
say "vlan same" "$(reaches vlan-a 10.66.0.4) $(reaches vlan-none 10.66.0.1)"
say "vlan other" "$(reaches vlan-a 10.66.0.5 1) $(reaches vlan-a 10.66.0.2 1) $(reaches vlan-a 10.66.0.1 1) $(reaches vlan-trunk 10.66.0.3 1)"
inside vlan-trunk ip address flush dev eth0
for vlan in 20 30; do
    inside vlan-trunk ip link add link eth0 name eth0.$vlan up type vlan id $vlan
    inside vlan-trunk ip address add 10.66.0.$((vlan + 100))/32 dev eth0.$vlan
done
inside vlan-trunk ip route add 10.66.0.4 dev eth0.20 src 10.66.0.120
inside vlan-trunk ip route add 10.66.0.5 dev eth0.30 src 10.66.0.130
say "vlan trunk" "$(reaches vlan-trunk 10.66.0.4) $(reaches vlan-trunk 10.66.0.5)"
# Another VLAN has addresses of its own.
link vlan-d 3 "vlan = 30"
mac() { inside "$1" ip -o link show eth0 | sed 's/.*ether \([^ ]*\).*/\1/'; }
asks() { inside "$1" ping -c 1 -W 10 -q 10.66.0.3 >/dev/null; inside "$1" ip neighbour show 10.66.0.3 | grep -c "$(mac "$2")"; }
say "vlan address" "$(asks vlan-b vlan-a) $(asks vlan-c vlan-d)"
soute rm --force vlan-d
inside vlan-b ip link set eth0 address 02:00:00:00:00:66
say "vlan spoofed" "$(reaches vlan-b 10.66.0.3 1)"
say "vlan members" "$(bridge -j vlan show | python3 -c '
import json, sys
for port in json.load(sys.stdin):
    print(*("{vlan}".format(**vlan) + "".join(flag[0] for flag in vlan.get("flags", [])) for vlan in port["vlans"]), end="; ")')"
# A bridge that soute makes keeps VLANs apart where one is asked for.
define vlan-made <<T
image = "busybox"
command = ["sleep", "infinity"]
[[network]]
bridge = "br-made"
create = true
vlan = 20
T
start vlan-made
soute bridge create br-vlans --vlan-filtering
say "vlan bridges" "$(cat /sys/class/net/br-made/bridge/vlan_filtering) $(cat /sys/class/net/br-vlans/bridge/vlan_filtering) $(soute bridge list | grep -c 'up, vlans')"
soute rm --force vlan-made
soute bridge remove br-made br-vlans
soute rm --force vlan-none vlan-a vlan-b vlan-c vlan-trunk
ip link delete br-vlan

# ---- Children of a link, and the machine's network card itself.
card=$(cd /sys/class/net && for link in *; do [ "$(cat $link/address)" != 52:54:00:00:00:07 ] || echo $link; done)
say "card" "$card"
ip link add wire type dummy
ip link set wire up
for child in 1 2; do
    define ipvlan-$child <<T
image = "busybox"
command = ["sleep", "infinity"]
restart = { policy = "always", delay = "10ms", limit = 0 }
[[network]]
kind = "ipvlan"
parent = "wire"
address = ["10.67.0.$child/24", "fd00:67::$child/64"]
T
    start ipvlan-$child
done
say "ipvlan" "$(reaches ipvlan-1 10.67.0.2) $(reaches ipvlan-1 fd00:67::2)"
for _ in 1 2 3; do
    main=$(property ipvlan-1 MainPID)
    kill -9 "$main"
    until_true "[ \"\$(property ipvlan-1 MainPID)\" != $main ] && systemctl is-active -q soute@ipvlan-1"
done
say "ipvlan again" "$(reaches ipvlan-1 10.67.0.2)"
soute rm --force ipvlan-1 ipvlan-2
ip link delete wire
define owner <<T
image = "busybox"
command = ["sleep", "infinity"]
restart = { policy = "always", delay = "10ms", limit = 0 }
[[network]]
kind = "device"
parent = "$card"
address = "10.68.0.1/24"
T
there() { ls /sys/class/net | grep -c "^$card\$"; }
start owner
say "card inside" "$(inside owner ip -o link show eth0 | grep -c 52:54:00:00:00:07) $(there)"
for _ in 1 2 3; do
    main=$(property owner MainPID)
    kill -9 "$main"
    until_true "[ \"\$(property owner MainPID)\" != $main ] && systemctl is-active -q soute@owner"
done
say "card again" "$(inside owner ip -o link show eth0 | grep -c 52:54:00:00:00:07) $(there)"
soute stop owner
say "card back" "$(there) $(ls /sys/class/net | tr '\n' ' ')"
# Killed with its clean-up, it is called by its name at the next start, and goes in again.
start owner
mkdir -p /run/systemd/system/soute@owner.service.d
printf '[Service]\nExecStopPost=\n' >/run/systemd/system/soute@owner.service.d/no-clean.conf
systemctl daemon-reload
soute stop owner
until_true '[ -e /sys/class/net/eth0 ]'
say "card astray" "$(ls /sys/class/net | tr '\n' ' ')"
start owner
say "card found" "$(inside owner ip -o link show eth0 | grep -c 52:54:00:00:00:07)"
rm -r /run/systemd/system/soute@owner.service.d
systemctl daemon-reload
soute rm --force owner
say "card at last" "$(there)"
