//! Ports that start their container: who comes first is served, and nothing stays after the removal.

use crate::lab::Lab;
use crate::lab::script::{both, import};
use crate::publish::script;

both!(
    a_connection_starts_the_container,
    who_cannot_be_served_is_sent_away_and_the_port_stays,
    an_idle_container_is_stopped_and_started_again,
    a_datagram_starts_the_container,
);

fn a_connection_starts_the_container(lab: &Lab) {
    script(
        lab,
        r#"
        served waiter 8780
        echo 'activate = true' >>/etc/soute/containers/waiter.toml
        soute check waiter
        has "$(soute unit waiter)" "ListenStream=127.0.0.1:8780"
        # As at boot.
        systemctl start soute-start@waiter
        listens 8780
        is not-found "$(prop waiter LoadState)"
        has "$(get 127.0.0.1:8780)" "waiter answers"
        is active "$(prop waiter ActiveState)"
        has "$(get '[::1]:8780')" "waiter answers"
        first=$(pid waiter)
        systemctl start soute-start@waiter
        soute start waiter
        is "$first" "$(pid waiter)"
        has "$(soute stop waiter 2>&1)" "it can still be activated by soute-publish@waiter:8780.socket"
        is not-found "$(prop waiter LoadState)"
        listens 8780
        clients=()
        for client in 1 2 3 4 5 6 7 8; do
            (has "$(get 127.0.0.1:8780)" "waiter answers") & clients+=($!)
        done
        for client in "${clients[@]}"; do wait "$client"; done
        for round in 1 2 3; do
            systemctl stop soute@waiter
            has "$(get 127.0.0.1:8780)" "waiter answers"
        done
        kill -9 "$(pid waiter)"
        # At the very moment of the end it may still be let in, to nobody.
        answers() { [ "$(get 127.0.0.1:8780)" = "waiter answers" ]; }
        soon answers
        systemctl restart soute@waiter
        soon answers
        # The definition as it is now.
        sed -i 's/"8780"/"0.0.0.0:8780"/' /etc/soute/containers/waiter.toml
        soute restart waiter
        is "soute-publish@waiter:0.0.0.0:8780.socket active" "$(sockets waiter | grep socket)"
        has "$(get 127.0.0.1:8780)" "waiter answers"
        for to in 81 82 83; do
            sed -i "s/\"8[0-9]\"/\"$to\"/; s/^to = .*/to = $to/" /etc/soute/containers/waiter.toml
            soute restart waiter
            has "$(get 127.0.0.1:8780)" "waiter answers"
        done
        soute stop waiter
        sed -i 's/"83"/"84"/; s/^to = .*/to = 84/' /etc/soute/containers/waiter.toml
        has "$(get 127.0.0.1:8780)" "waiter answers"
        sed -i /activate/d /etc/soute/containers/waiter.toml
        soute restart waiter
        has "$(get 127.0.0.1:8780)" "waiter answers"
        lacks "$(soute stop waiter 2>&1)" activated
        free 8780
        echo 'activate = true' >>/etc/soute/containers/waiter.toml
        soute start waiter
        has "$(get 127.0.0.1:8780)" "waiter answers"
        soute stop waiter
        listens 8780
        soute disable --now waiter
        free 8780
        soute start waiter
        soute disable --now waiter
        free 8780
        is not-found "$(prop waiter LoadState)"
        systemctl start soute-start@waiter
        listens 8780
        soute remove waiter
        free 8780
        is "" "$(sockets waiter)"
        [ ! -e /run/soute/state/waiter ]
        is "" "$(systemctl list-units --all --plain --no-legend 'soute-activate@waiter.service')"
        soon no_stray"#,
    );
}

fn who_cannot_be_served_is_sent_away_and_the_port_stays(lab: &Lab) {
    script(
        lab,
        r#"
        define broken 'command = ["/no/such/program"]' '[[publish]]' 'listen = "8790"' 'to = 80' 'activate = true'
        systemctl start soute-start@broken
        for round in 1 2; do
            is "" "$(get 127.0.0.1:8790 || true)"
            is active "$(systemctl is-active soute-publish@broken:8790.socket)"
        done
        served broken 8790
        echo 'activate = true' >>/etc/soute/containers/broken.toml
        answers() { [ "$(get 127.0.0.1:8790)" = "broken answers" ]; }
        soon answers
        has "$(fails 125 soute run --publish listen=8792,to=80,activate busybox -- true)" "for what stays: add --keep"
        # A port that somebody else has.
        served other 127.0.0.1:8791
        echo 'activate = true' >>/etc/soute/containers/other.toml
        busybox nc -ll -p 8791 -e cat & holder=$!
        soon listens 8791
        fails 1 systemctl start soute-start@other
        has "$(journalctl -u soute-start@other)" "port 127.0.0.1:8791/tcp is taken by process $holder (busybox)"
        kill $holder
        wait $holder || true
        systemctl start soute-start@other
        has "$(get 127.0.0.1:8791)" "other answers"
        soute remove --force broken other
        free 8790
        free 8791
        systemctl reset-failed"#,
    );
}

fn an_idle_container_is_stopped_and_started_again(lab: &Lab) {
    script(
        lab,
        r#"
        served sleeper 8880
        printf '%s\n' 'activate = true' 'idle-stop = "2s"' '[[publish]]' 'listen = "8881"' 'to = 80' \
            >>/etc/soute/containers/sleeper.toml
        systemctl start soute-start@sleeper
        stopped() { [ "$(prop sleeper LoadState)" = not-found ]; }
        forwarder_ended() { ! systemctl is-active --quiet "soute-publish@sleeper:$1.service"; }
        for round in 1 2 3; do
            has "$(get 127.0.0.1:8880)" "sleeper answers"
            soon stopped
            listens 8880
        done
        # Not while somebody is connected, to whichever port.
        for port in 8880 8881; do
            has "$(get 127.0.0.1:8880)" "sleeper answers"
            before=$(pid sleeper)
            exec 8<>"/dev/tcp/127.0.0.1/$port"
            [ $port = 8880 ] || soon forwarder_ended 8880
            sleep 5
            is "$before" "$(pid sleeper)"
            printf 'GET / HTTP/1.0\r\n\r\n' >&8
            has "$(cat <&8)" "sleeper answers"
            exec 8>&-
            soon stopped
        done
        # A payload that ends by itself is not what is idle.
        has "$(get 127.0.0.1:8880)" "sleeper answers"
        kill -9 "$(pid sleeper)"
        answers() { [ "$(get 127.0.0.1:8880)" = "sleeper answers" ]; }
        soon answers
        soute remove --force sleeper
        free 8880
        free 8881
        is "" "$(sockets sleeper)"
        soon no_stray"#,
    );
}

fn a_datagram_starts_the_container(lab: &Lab) {
    import(lab, "debian");
    script(
        lab,
        r#"
        cat >/root/echo.pl <<'P'
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 53, Proto => "udp") or die "no socket: $!";
while (1) { my $from = $s->recv(my $text, 65536); $s->send(uc $text, 0, $from) if defined $from; }
P
        define called 'image = "debian"' 'command = ["perl", "/srv/echo.pl"]' \
            '[[mount]]' 'source = "/root/echo.pl"' 'target = "/srv/echo.pl"' 'read-only = true' \
            '[[publish]]' 'listen = "8853"' 'to = 53' 'protocol = "udp"' 'activate = true'
        systemctl start soute-start@called
        for round in 1 2; do
            is not-found "$(prop called LoadState)"
            exec 8<>/dev/udp/127.0.0.1/8853
            printf hello >&8
            is HELLO "$(timeout 60 dd bs=65536 count=1 status=none <&8)"
            exec 8>&-
            soute stop called
        done
        soute remove called
        is "" "$(ss -Hlun 'sport = :8853')""#,
    );
}
