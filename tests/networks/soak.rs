//! kill -9 at any step of a start, a stop, a restart, and the next start at once: no name is taken, no link is left, no
//! address is lost.
//!
//! The moment is drawn over the whole of what the command takes, and so is who is killed: the command itself, the runner or
//! the one that comes after it, the payload, or all of them together.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(whoever_is_killed_at_any_step_starts_again_at_once);

/// As many as SOUTE_TORTURE says.
fn rounds() -> u32 {
    std::env::var("SOUTE_TORTURE").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(12)
}

fn whoever_is_killed_at_any_step_starts_again_at_once(lab: &Lab) {
    let script = r#"
        soute bridge create br-soak --address 10.86.0.1/24 --address fd00:86::1/64
        soute bridge create br-side --address 10.87.0.1/24
        fixed=10.86.0.2,fd00:86::2
        # Somebody else has the lowest one, so that the next free is not the only one there is.
        define neighbour '[[network]]' 'bridge = "br-side"' 'address = "auto"'
        soute start neighbour
        mkdir -p /srv/soaked
        echo "soaked answers" >/srv/soaked/index.html
        define soaked 'command = ["httpd", "-f", "-p", "80", "-h", "/srv"]' '[restart]' 'limit = 0' 'delay = "10ms"' \
            '[[network]]' 'bridge = "br-soak"' 'address = ["10.86.0.2/24", "fd00:86::2/64"]' \
            '[[network]]' 'bridge = "br-side"' 'address = "auto"' \
            '[[mount]]' 'source = "/srv/soaked"' 'target = "/srv"' '[[publish]]' 'listen = "8666"' 'to = 80'
        group=/sys/fs/cgroup/soute.slice/soute@soaked.service
        members() { find $group* -name cgroup.procs -exec cat {} + 2>/dev/null || true; }
        named() { local one; for one in $(members); do [ "$(cat "/proc/$one/comm" 2>/dev/null)" != "$1" ] || echo "$one"; done; }
        ports() { ip -o link show master "$1" | wc -l; }
        line() { grep "^soaked	" /run/soute/instances || true; }
        up() {
            local main
            main=$(pid soaked)
            is_state soaked active && [ "$(cut -f 4 <<<"$(line)")" = "$main" ] && [ "$(members | wc -w)" = 1 ] &&
                [ "$(ports br-soak) $(ports br-side)" = "1 2" ] &&
                [ "$(readlink "/proc/$main/ns/net")" != "$(readlink /proc/self/ns/net)" ]
        }
        answers() {
            ping -c 1 -W 5 -q 10.86.0.2 >/dev/null && ping -c 1 -W 5 -q fd00:86::2 >/dev/null &&
                ping -c 1 -W 5 -q 10.87.0.3 >/dev/null &&
                [ "$(curl --silent --max-time 30 http://127.0.0.1:8666/)" = "soaked answers" ]
        }
        # How long each takes here at best, so that the kill meets it.
        declare -A whole=()
        for round in 1 2 3; do
            for action in start restart stop; do
                begin=$(date +%s%N)
                soute $action soaked
                took=$((($(date +%s%N) - begin) / 1000))
                [ "${whole[$action]:-$took}" -lt $took ] || whole[$action]=$took
            done
        done
        soute start soaked
        addresses=$(cut -f 5 <<<"$(line)")
        is "$fixed,10.87.0.3" "$addresses"
        victims=(command runner payload all)
        actions=(start stop restart)
        met=0
        declare -A killed=([command]=0 [runner]=0 [payload]=0 [all]=0)
        for ((round = 0; round < ROUNDS; round++)); do
            action=${actions[round % 3]} victim=${victims[round / 3 % 4]}
            [ $action != start ] || soute stop soaked
            began=$(date +%s.%N)
            soute $action soaked >/dev/null 2>&1 & command=$!
            pause=$((whole[$action] * (RANDOM % 100) / 100))
            sleep "$(printf '%d.%06d' $((pause / 1000000)) $((pause % 1000000)))"
            ! kill -0 $command 2>/dev/null || met=$((met + 1))
            case $victim in
                command) dead=$command ;;
                runner)
                    # It lives a part of that time alone: the next one that is seen, and then anywhere in what it does.
                    dead=
                    while [ -z "$dead" ] && kill -0 $command 2>/dev/null; do dead=$(named soute-runner); done
                    sleep "0.0$((RANDOM % 40 + 10))"
                    ;;
                payload) dead=$(pid soaked) ;;
                all) dead="$command $(members)" ;;
            esac
            # Whoever has gone already.
            for one in $dead; do
                [ "$one" = 0 ] || ! kill -9 "$one" 2>/dev/null || killed[$victim]=$((killed[$victim] + 1))
            done
            where="round $round, $victim killed $pause us into $action (${whole[$action]} us)"
            # Whoever starts it while another does so has that one's result, and this one was killed.
            [ $victim = command ] || [ $victim = all ] || wait $command 2>/dev/null || true
            said=$(soute start soaked 2>&1) || {
                [ $victim = all ] && [[ $said == *"signal 9"* ]] || die "$where: $said"
                said=$(soute start soaked 2>&1) || die "$where, again: $said"
            }
            wait $command 2>/dev/null || true
            # A stop that went on without its command has stopped it since.
            is_state soaked active || said=$(soute start soaked 2>&1) || die "$where, after the stop: $said"
            for ((try = 0; try < 400; try++)); do ! up || break; sleep 0.05; done
            up || die "$where: $(systemctl status soute@soaked 2>&1) $(line) $(members) $(ip -o link)"
            is "$addresses" "$(cut -f 5 <<<"$(line)")"
            for ((try = 0; try < 400; try++)); do ! answers || break; sleep 0.05; done
            answers || die "$where: no answer"
            told=$(journalctl --no-pager -o cat --since "@$began" -u soute@soaked)
            lacks "$told" "exists"
            lacks "$told" "taken"
        done
        # The premise: kills met commands at work.
        [ $met -gt $((ROUNDS / 10)) ] || die "only $met of ROUNDS met a command"
        echo "$met of ROUNDS met a command; killed: command ${killed[command]}, runner ${killed[runner]}, payload ${killed[payload]}, all ${killed[all]}"
        soute stop soaked
        is "0 1" "$(ports br-soak) $(ports br-side)"
        is "" "$(line)"
        is "" "$(ss -Hltn 'sport = :8666')"
        soute remove --force soaked neighbour
        soute bridge remove br-soak br-side
        is "" "$(find /run/soute/state /var/lib/soute/disks -name '*soaked*' -o -name '.t*')"
    "#;
    println!("{}", run(lab, &script.replace("ROUNDS", &rounds().to_string())));
}
