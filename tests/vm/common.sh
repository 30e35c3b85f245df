# What all scripts of tests/vm.rs begin with. A line "KEY: VALUE" is a finding, which a test asks for by its key.
export LANG=C.UTF-8
say() { echo "$1: ${*:2}"; }
# No progress on what soute would take for a terminal, the serial port.
start() { soute start "$@" 2>&1 | cat; }
define() { cat >"/etc/soute/containers/$1.toml"; }
group() { echo "/sys/fs/cgroup/soute.slice/soute@$1.service"; }
property() { systemctl show --value -p "$2" "soute@$1.service"; }
until_true() { for _ in $(seq 300); do ! eval "$1" || return 0; sleep 0.1; done; echo "waited 30 s for: $1"; }
# The words of a command that has to fail, in one line, and its status.
refused() { local words; words=$("${@:2}" 2>&1); say "$1" "$? $(tr '\n' ' ' <<<"$words")"; }
mkdir -p /etc/soute/containers
# The words of tests/disks/store.sh, in a shell of its own.
die() { echo "FAILED $*"; exit 1; }
is() { [ "$1" = "$2" ] || die "wanted '$1', got '$2'"; }
has() { case $1 in *"$2"*) ;; *) die "no '$2' in: $1" ;; esac; }
