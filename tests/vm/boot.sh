# What the next boot has to bring back.

mkdir -p /var/log/journal
journalctl --flush
[ -e /var/lib/soute/images/busybox ] || soute image import busybox /lab/busybox >/dev/null
trapping='trap "sleep 2; exit 0" TERM; sleep infinity & wait'
for name in db web alone manual enabled bridged; do
    define $name <<T
image = "busybox"
command = ["sh", "-c", '$trapping']
$(case $name in
    db) echo 'autostart = true' ;;
    web) printf 'autostart = true\nrequires = ["db"]\n' ;;
    alone) printf 'autostart = true\nafter = ["web"]\n' ;;
    bridged) printf 'autostart = true\n[[network]]\nbridge = "br-late"\naddress = "192.0.2.7/24"\n' ;;
esac)
T
done
cat >/etc/systemd/system/late-bridge.service <<'T'
[Service]
Type=oneshot
ExecStart=sh -c 'sleep 5; ip link add br-late up type bridge'
[Install]
WantedBy=multi-user.target
T
systemctl enable -q late-bridge soute-start@enabled
ip link add br-late up type bridge
start db web alone manual enabled bridged
for name in db web enabled; do
    soute exec $name -- sh -c "echo $name >/kept"
    say "$name ids" "$(awk '/^ids/ { print $3 }' /var/lib/soute/disks/$name/disk.toml)"
done
cat >/etc/soute/containers/broken.toml <<'T'
image = "busybox"
autostart = true
comand = ["true"]
T
say "boot id" "$(cat /proc/sys/kernel/random/boot_id)"
systemctl reboot
sleep infinity
