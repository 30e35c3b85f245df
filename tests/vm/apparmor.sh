# Debian's kernel has AppArmor on.

[ -e /var/lib/soute/images/busybox ] || soute image import busybox /lab/busybox >/dev/null
cat >/etc/apparmor.d/soute-test <<'T'
profile soute-test flags=(attach_disconnected) {
  file,
  capability,
  signal,
  network,
  unix,
  deny /secret r,
}
T
apparmor_parser -r /etc/apparmor.d/soute-test
for name in free confined; do
    define $name <<T
image = "busybox"
command = ["sh", "-c", "echo told >/secret; sleep infinity"]
$([ $name = free ] || echo 'security.apparmor = "soute-test"')
T
done
start free confined
say "free reads" "$(soute exec free -- cat /secret)"
say "payload's profile" "$(cat /proc/"$(property confined MainPID)"/attr/apparmor/current)"
refused "confined reads" soute exec confined -- cat /secret
say "exec's profile" "$(soute exec confined -- cat /proc/self/attr/apparmor/current)"
soute audit confined >/dev/null
say "audit" "$?"
define nosuch <<T
image = "busybox"
command = ["true"]
restart.policy = "no"
security.apparmor = "soute-nosuch"
T
refused "no such profile" soute start nosuch
define selinux <<T
image = "busybox"
command = ["true"]
restart.policy = "no"
security.selinux = "system_u:system_r:container_t:s0"
T
refused "no such module" soute start selinux
soute remove --force free confined nosuch selinux
