# After a reboot, with nothing started by hand.

say "boot id" "$(cat /proc/sys/kernel/random/boot_id)"
for name in db web alone manual enabled bridged; do
    say "$name state" "$(systemctl is-active soute@$name)"
done
for name in db web enabled; do
    say "$name kept" "$(soute exec $name -- cat /kept)"
    say "$name ids" "$(awk '/^ids/ { print $3 }' /var/lib/soute/disks/$name/disk.toml)"
done
say "enabled by" "$(soute status enabled | grep -E '^ *Boot:')"
for name in db web alone; do
    say "$name began" "$(property $name InactiveExitTimestampMonotonic)"
    say "$name ready" "$(property $name ActiveEnterTimestampMonotonic)"
done
say "bridged link" "$(ip -brief link show master br-late | wc -l) $(soute list | grep '^bridged ' | tr -s ' ')"
say "broken unit" "$(systemctl is-failed soute-start@broken)"
say "broken log" "$(journalctl -b -q -o cat -u soute-start@broken | tr -s '\n ' ' ')"
say "failed units" "$(systemctl --failed --plain --no-legend | awk '{ printf "%s ", $1 }')"
# The order in which the last boot stopped them, by when each had ended.
say "shutdown" "$(journalctl -b -1 -q -o cat -u soute@db -u soute@web -u soute@alone | grep '^Stopp' | tr '\n' ' ')"
say "instances" "$(awk 'NR > 1 { print $1 }' /run/soute/instances | sort | tr '\n' ' ')"
say "last exit" "$(grep ^result /var/lib/soute/disks/web/last-exit.toml)"

# Last of all, what the images of attack 48 do to who mounts them plainly.
sysctl -q kernel.panic=-1
say "mounting" "$(ls /root/at-mount.raw)"
sync
mount -o loop /root/at-mount.raw /root/mnt
say "mounting" survived
