//! Published ports: who comes gets in, whoever has the port is named, and nothing stays when the container has gone.

use crate::lab::Lab;
use crate::lab::script::{both, import, run};

both!(
    a_port_leads_in_and_is_free_after_the_stop,
    a_port_that_is_taken_is_an_error_that_names_the_holder,
    who_has_said_all_still_gets_the_answer,
    nothing_stays_in_the_network_of_a_dead_container,
    one_off_containers_publish_as_in_podman,
    the_packet_filter_is_as_it_was,
    datagrams_find_their_way_back,
);

/// On top of the prelude: a web server whose page is its container's name.
const WORDS: &str = r#"
    served() { # NAME LISTEN [LINE…]
        local name=$1 listen=$2
        shift 2
        mkdir -p "/srv/$name"
        echo "$name answers" >"/srv/$name/index.html"
        define "$name" 'command = ["httpd", "-f", "-p", "80", "-h", "/srv"]' "$@" \
            '[[mount]]' "source = \"/srv/$name\"" 'target = "/srv"' '[[publish]]' "listen = \"$listen\"" 'to = 80'
    }
    get() { curl --silent --max-time 30 "http://$1/"; }
    listens() { ss -Hltn "sport = :$1" | grep . >/dev/null; }
    free() { ! listens "$1"; }
    sockets() { systemctl list-units --all --plain --no-legend "soute-publish@$1:*" | awk '{ print $1, $3 }'; }
    # Descriptors and processes that are still in a network namespace which no payload is in.
    stray() {
        local ours process at
        ours=$(for process in $(systemctl list-units --plain --no-legend 'soute@*.service' | awk '{ print $1 }'); do
            readlink "/proc/$(systemctl show -P MainPID "$process")/ns/net" || true
        done; readlink /proc/1/ns/net)
        for process in /proc/[0-9]*; do
            at=$(readlink "$process/ns/net" 2>/dev/null) || continue
            case $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) in *"soute-runner publish"*) ;; *) continue ;; esac
            [[ $ours == *"$at"* ]] || echo "$process in $at"
        done
    }
    no_stray() { [ -z "$(stray)" ]; }
"#;

/// Runs a script with these words.
#[track_caller]
pub fn script(lab: &Lab, text: &str) {
    run(lab, &format!("{WORDS}\n{text}"));
}

fn a_port_leads_in_and_is_free_after_the_stop(lab: &Lab) {
    script(
        lab,
        r#"
        served door 8180
        soute check door
        soute start door
        has "$(get 127.0.0.1:8180)" "door answers"
        has "$(get '[::1]:8180')" "door answers"
        # Loopback alone.
        lacks "$(ss -Hltn 'sport = :8180')" "0.0.0.0:8180"
        is "soute-publish@door:8180.service active soute-publish@door:8180.socket active" "$(sockets door | sort | xargs)"
        has "$(systemctl list-sockets soute-publish@door:8180.socket)" 127.0.0.1:8180
        has "$(soute list)" "8180:80"
        has "$(soute list --json)" '"8180:80"'
        has "$(soute status -n0 door)" "Port: 8180:80 (soute-publish@door:8180.socket)"
        has "$(soute unit door)" "ListenStream=127.0.0.1:8180"
        # The forwarder is nobody, and can do nothing.
        forwarder=$(systemctl show -P MainPID soute-publish@door:8180.service)
        status=$(cat "/proc/$forwarder/status")
        [ "$(awk '/^Uid:/ { print $2 }' <<<"$status")" -gt 1000 ]
        is 0 "$(awk '/^Cap(Inh|Prm|Eff|Amb):/ { sum += ("0x" $2) + gsub(/[^0]/, "", $2) } END { print sum + 0 }' <<<"$status")"
        is 1 "$(awk '/^NoNewPrivs:/ { print $2 }' <<<"$status")"
        is "$(readlink "/proc/$(pid door)/ns/net")" "$(readlink "/proc/$forwarder/ns/net")"
        for round in 1 2 3 4 5 6; do
            get 127.0.0.1:8180 >/dev/null
            soute stop door
            free 8180
            soute start door
            has "$(get 127.0.0.1:8180)" "door answers"
        done
        systemctl restart soute@door
        has "$(get 127.0.0.1:8180)" "door answers"
        systemctl stop soute@door
        soute start door
        has "$(get 127.0.0.1:8180)" "door answers"
        soute restart door
        has "$(get 127.0.0.1:8180)" "door answers"
        # The definition as it is now.
        served door 0.0.0.0:8181
        soute restart door
        free 8180
        has "$(get 127.0.0.1:8181)" "door answers"
        soute remove --force door
        free 8181
        is "" "$(sockets door)"
        [ ! -e /run/soute/state/door ]
        soon no_stray"#,
    );
}

fn a_port_that_is_taken_is_an_error_that_names_the_holder(lab: &Lab) {
    script(
        lab,
        r#"
        served first 8280
        served second 127.0.0.1:8280
        has "$(fails 5 soute check second)" "first has the tcp port 8280 already"
        has "$(fails 5 soute start second)" "first has the tcp port 8280 already"
        soute remove second
        soute start first
        served second 127.0.0.1:8280
        # Whoever runs has it, whatever its definition says by now.
        served first 8281
        said=$(fails 1 soute start second)
        has "$said" "cannot start second: port 127.0.0.1:8280/tcp is taken by container first (soute-publish@first:8280.socket)"
        is not-found "$(prop second LoadState)"
        soute stop first
        soute start second
        has "$(get 127.0.0.1:8280)" "second answers"
        soute stop second
        served third 8282
        busybox nc -ll -p 8282 -e cat & holder=$!
        soon listens 8282
        has "$(fails 1 soute start third)" "port 127.0.0.1:8282/tcp is taken by process $holder (busybox)"
        is not-found "$(prop third LoadState)"
        kill $holder
        wait $holder || true
        soute start third
        has "$(get 127.0.0.1:8282)" "third answers"
        soute remove --force first second third
        served nowhere 192.0.2.77:8283
        has "$(fails 1 soute start nowhere)" "cannot open port 192.0.2.77:8283/tcp: this host has no such address"
        soute remove nowhere
        is "" "$(systemctl list-units --failed --plain --no-legend 'soute-publish@*')""#,
    );
}

fn who_has_said_all_still_gets_the_answer(lab: &Lab) {
    script(
        lab,
        r#"
        # It answers when it has heard the end.
        define hearer 'command = ["nc", "-ll", "-p", "80", "-e", "wc", "-c"]' '[[publish]]' 'listen = "8380"' 'to = 80'
        soute start hearer
        for round in 1 2 3; do
            is 300000 "$(head -c 300000 /dev/zero | timeout 60 busybox nc 127.0.0.1 8380)"
        done
        soute remove --force hearer
        # Much in both directions at once.
        define echo 'command = ["nc", "-ll", "-p", "80", "-e", "cat"]' '[[publish]]' 'listen = "8381"' 'to = 80'
        soute start echo
        head -c 3000000 /dev/urandom >/root/much
        wanted=$(sha256sum </root/much)
        for round in 1 2 3; do
            is "$wanted" "$(timeout 120 busybox nc 127.0.0.1 8381 </root/much | sha256sum)"
        done
        soute remove --force echo
        rm /root/much"#,
    );
}

fn nothing_stays_in_the_network_of_a_dead_container(lab: &Lab) {
    script(
        lab,
        r#"
        served mortal 8480 '[restart]' 'policy = "on-failure"' 'delay = "100ms"'
        soute start mortal
        mkfifo /root/silence
        exec 9<>/root/silence
        for round in 1 2 3 4 5; do
            before=$(pid mortal)
            # A connection that would last.
            timeout 60 busybox nc 127.0.0.1 8480 <&9 >/dev/null & client=$!
            has "$(get 127.0.0.1:8480)" "mortal answers"
            kill -9 "$before"
            # Whoever is connected hears of it at once, and who comes next is served by the next payload.
            asked=$SECONDS
            wait $client || true
            [ $((SECONDS - asked)) -lt 30 ] || die "the client was not told"
            # At the very moment of the end it may still be let in, to nobody.
            answers() { [ "$(get 127.0.0.1:8480)" = "mortal answers" ]; }
            soon answers
            soon runs_again mortal "$before"
            soon no_stray
            systemctl reset-failed soute@mortal
        done
        exec 9>&-
        rm /root/silence
        # For good.
        get 127.0.0.1:8480 >/dev/null
        served mortal 8480 '[restart]' 'policy = "no"'
        soute restart mortal
        get 127.0.0.1:8480 >/dev/null
        kill -9 "$(pid mortal)"
        gone() { ! listens 8480; }
        soon gone
        soon no_stray
        soute start mortal
        has "$(get 127.0.0.1:8480)" "mortal answers"
        soute remove --force mortal"#,
    );
}

fn one_off_containers_publish_as_in_podman(lab: &Lab) {
    script(
        lab,
        r#"
        mkdir -p /srv/once
        echo "once answers" >/srv/once/index.html
        name=$(soute run -d -p 127.0.0.1:8580:80/tcp --publish 8581:80 --mount source=/srv/once,target=/srv busybox -- \
            httpd -f -p 80 -h /srv)
        has "$(get 127.0.0.1:8580)" "once answers"
        has "$(get 127.0.0.1:8581)" "once answers"
        has "$(fails 125 soute run -p 8580:80 busybox -- true)" "$name has the tcp port 127.0.0.1:8580 already"
        soute stop $name
        free 8580
        is "" "$(sockets $name)"
        # Attached, its end is the port's.
        is "hello" "$(soute run -p 8580:80 busybox -- echo hello)"
        gone() { ! listens 8580; }
        soon gone
        has "$(fails 125 soute run -p 80 busybox -- true)" '"80" is not PORT:PORT'"#,
    );
}

fn the_packet_filter_is_as_it_was(lab: &Lab) {
    script(
        lab,
        r#"
        served plain 8680
        cat >/root/publishes <<'END'
        ip link set lo up
        soute start plain
        curl --silent --max-time 30 http://127.0.0.1:8680/ >/root/published
        soute stop plain
END
        said=$(soute doctor --prove bash -eu /root/publishes) || true
        has "$(cat /root/published)" "plain answers"
        # Other tests make links of their own meanwhile.
        lacks "$said" "tables: "
        lacks "$said" " rules: "
        is "" "$(grep ' sysctls: ' <<<"$said" | grep -v '\.conf\.\|\.neigh\.')"
        soute remove plain"#,
    );
}

fn datagrams_find_their_way_back(lab: &Lab) {
    import(lab, "debian");
    script(
        lab,
        r#"
        cat >/root/shout.pl <<'P'
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 53, Proto => "udp") or die "no socket: $!";
while (1) { my $from = $s->recv(my $text, 65536); $s->send(uc $text, 0, $from) if defined $from; }
P
        define shout 'image = "debian"' 'command = ["perl", "/srv/shout.pl"]' \
            '[[mount]]' 'source = "/root/shout.pl"' 'target = "/srv/shout.pl"' 'read-only = true' \
            '[[publish]]' 'listen = "8753"' 'to = 53' 'protocol = "udp"' \
            '[[publish]]' 'listen = "0.0.0.0:8754"' 'to = 53' 'protocol = "udp"'
        soute start shout
        asks() { # PORT TEXT: the answer
            exec 8<>"/dev/udp/127.0.0.1/$1"
            printf %s "$2" >&8
            timeout 20 dd bs=65536 count=1 status=none <&8 || true
            exec 8>&-
        }
        is "HELLO" "$(asks 8753 hello)"
        is "HELLO" "$(asks 8754 hello)"
        clients=()
        for client in 1 2 3 4 5 6 7 8; do
            (for round in 1 2 3 4 5 6 7 8 9 10; do is "FROM $client ROUND $round" "$(asks 8753 "from $client round $round")"; done) & clients+=($!)
        done
        for client in "${clients[@]}"; do wait "$client"; done
        before=$(pid shout)
        kill -9 "$before"
        soon runs_again shout "$before"
        answers() { [ "$(asks 8753 again)" = AGAIN ]; }
        soon answers
        soute remove --force shout
        is "" "$(ss -Hlun 'sport = :8753')""#,
    );
}
