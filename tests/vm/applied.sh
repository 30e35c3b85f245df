# Limits that `soute apply` changes under a PostgreSQL that is being used, and what its cgroup has and does then.

cp -a /lab/postgres /root/postgres
soute image import postgres /root/postgres >/dev/null
definition() {
    printf '%s\n' 'image = "postgres"' 'entrypoint = ["entrypoint"]' 'user = "postgres"' \
        'command = ["postgres", "-c", "shared_buffers=8MB", "-c", "autovacuum=off", "-c", "checkpoint_timeout=1h"]' \
        'stop.signal = "SIGINT"' '[limits]' "$@" | define bank
}
definition 'swap = 0'
start bank
inside() { soute exec bank -- "$@"; }
sql() { inside psql -XAtc "$1" postgres; }
until_true 'inside pg_isready -q'
inside pgbench -i -q -s 4 postgres 2>/dev/null
(inside pgbench -n -c 8 -j 2 -T 3600 -P 1 postgres >load 2>&1 || true) & load=$!
backends() { sql "select pid from pg_stat_activity where application_name = 'pgbench' order by 1" | tr '\n' ' '; }
until_true '[ "$(backends | wc -w)" = 8 ]'
before=$(backends) main=$(property bank MainPID)
number() { awk -v key="$2" '$1 == key { print $2 }' "$(group bank)/$1"; }
writes() { awk '{ for (i = 2; i <= NF; i++) if (split($i, pair, "=") && pair[1] == "wios") sum += pair[2] } END { print sum + 0 }' "$(group bank)/io.stat"; }
# What happens in four seconds: periods that are throttled, hundredths of a second of CPU, writes.
watched() {
    local throttled used wrote begin end
    throttled=$(number cpu.stat nr_throttled) used=$(number cpu.stat usage_usec) wrote=$(writes)
    read -r begin _ </proc/uptime
    sleep 4
    read -r end _ </proc/uptime
    say "$1 seconds" $((${end/./} - ${begin/./}))
    say "$1 throttled" $(($(number cpu.stat nr_throttled) - throttled))
    say "$1 used" $((($(number cpu.stat usage_usec) - used) / 10000))
    say "$1 writes" $(($(writes) - wrote))
}
applied() {
    say "$1 diff" "$(soute diff bank | awk 'NR > 1 { print $2, $3 }' | sort | tr '\n' ' ')"
    soute apply bank >/dev/null
    say "$1 apply" $?
    say "$1 verify" "$(soute verify bank 2>&1)"
    say "$1 connections" "$([ "$(backends)" = "$before" ] && echo kept || echo "were $before, are $(backends)")"
}
watched free

definition 'swap = 0' 'cpus = 0.2' 'cpu-weight = 50'
applied cpu
say "cpu max" "$(cat "$(group bank)/cpu.max") $(cat "$(group bank)/cpu.weight")"
watched cpu

# The throttle of the CPU gone, there are writes enough to limit.
definition 'swap = 0' 'write-iops = 10'
applied io
say "io max" "$(grep -o 'wiops=[^ ]*' "$(group bank)/io.max" | tr '\n' ' ')"
watched io

# Less than it has with what it has read of files, and more than it cannot do without.
definition 'swap = 0'
applied lifted
sum() { awk '$1 == "anon" || $1 == "shmem" || $1 ~ /^slab_un/ || $1 ~ /^(kernel_stack|pagetables|percpu|sock)$/ { sum += $2 } END { print sum }' "$(group bank)/memory.stat"; }
limit=$((($(sum) >> 20) + 24))
say "memory current" $(($(cat "$(group bank)/memory.current") >> 20))
say "memory limit" $limit
say "memory before" "$(number memory.events max)"
definition 'swap = 0' "memory = \"${limit}M\""
applied memory
sleep 4
say "memory max" "$(cat "$(group bank)/memory.max") $((limit << 20))"
say "memory after" "$(number memory.events max)"
say "memory now" $(($(cat "$(group bank)/memory.current") >> 20))
say "memory killed" "$(number memory.events oom_kill)"
say "memory connections" "$([ "$(backends)" = "$before" ] && echo kept || echo lost)"

# Less than it holds is refused, and nothing of it is done.
definition 'swap = 0' 'memory = "6M"' 'tasks = 500'
refused "refused" soute apply bank
say "refused max" "$(cat "$(group bank)/memory.max" "$(group bank)/pids.max" | tr '\n' ' ')"
definition 'swap = 0' "memory = \"${limit}M\""
# Somebody writes to the kernel's file itself.
echo $((512 << 20)) >"$(group bank)/memory.max"
refused "astray" bash -c "soute verify bank | tr -s ' '; exit \${PIPESTATUS[0]}"
echo $((limit << 20)) >"$(group bank)/memory.max"

definition 'swap = 0'
applied last
say "load errors" "$(grep -v '^progress' load | grep -ci -e error -e abort -e fatal)"
say "load failed" "$(grep -o '[0-9]* failed' load | sort -u | tr '\n' ' ')"
say "load seconds" "$(grep -c '^progress' load)"
say "load process" "$([ "$(property bank MainPID)" = "$main" ] && echo same)"
inside busybox killall pgbench
wait $load
soute rm --force bank
soute image rm postgres
