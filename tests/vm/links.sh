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
