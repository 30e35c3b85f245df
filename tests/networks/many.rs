//! Published ports with many clients, with who they are, and with nobody any more.

use crate::lab::Lab;
use crate::lab::script::{both, import};
use crate::publish::script;

both!(
    five_hundred_connections_at_once,
    nginx_hears_who_the_client_is,
    a_forwarder_goes_when_nobody_is_there,
    ports_of_who_does_not_run_yet_are_shown,
);

fn five_hundred_connections_at_once(lab: &Lab) {
    import(lab, "debian");
    script(
        lab,
        r#"
        cat >/root/echoes.pl <<'P'
use IO::Socket::INET;
use IO::Select;
my $door = IO::Socket::INET->new(LocalPort => 80, Listen => 1000, ReuseAddr => 1) or die "no socket: $!";
my $all = IO::Select->new($door);
while (my @some = $all->can_read) {
    for my $one (@some) {
        if ($one == $door) { $all->add(scalar $door->accept); next }
        if (sysread $one, my $text, 65536) { my $at = 0; $at += syswrite($one, $text, length($text) - $at, $at) while $at < length $text; next }
        $all->remove($one);
        close $one;
    }
}
P
        define echoes 'image = "debian"' 'command = ["perl", "/srv/echoes.pl"]' \
            '[[mount]]' 'source = "/root/echoes.pl"' 'target = "/srv/echoes.pl"' 'read-only = true' \
            '[[publish]]' 'listen = "8390"' 'to = 80'
        soute start echoes
        cat >/root/many.pl <<'P'
use IO::Socket::INET;
# All are open before the first is answered.
my @all = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:8390", Timeout => 60) or die "connection $_: $!" } 1 .. 500;
for my $n (0 .. $#all) { my $s = $all[$n]; $s->autoflush(1); print $s ("$n " x 1000) . "\n" or die "$n: $!" }
for my $n (0 .. $#all) {
    my $s = $all[$n];
    my $line = <$s>;
    die "connection $n heard " . substr($line // "nothing", 0, 40) if ($line // "") ne ("$n " x 1000) . "\n";
}
print scalar(@all), " answered\n";
P
        is "500 answered" "$(timeout 300 perl /root/many.pl)"
        is "500 answered" "$(timeout 300 perl /root/many.pl)"
        soute remove --force echoes
        soon no_stray
        rm /root/many.pl /root/echoes.pl"#,
    );
}

fn nginx_hears_who_the_client_is(lab: &Lab) {
    import(lab, "nginx");
    script(
        lab,
        r#"
        mkdir -p /srv/proxied
        cat >/srv/proxied/nginx.conf <<'C'
daemon off;
events {}
http {
    access_log off;
    server {
        listen 80 proxy_protocol;
        listen [::]:80 proxy_protocol;
        location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port"; }
    }
}
C
        define proxied 'image = "nginx"' 'command = ["nginx", "-c", "/srv/nginx.conf"]' \
            '[[mount]]' 'source = "/srv/proxied/nginx.conf"' 'target = "/srv/nginx.conf"' 'read-only = true' \
            '[[publish]]' 'listen = "8391"' 'to = 80' 'proxy-protocol = true' \
            '[[publish]]' 'listen = "8392"' 'to = 80'
        soute start proxied
        is "127.0.0.1 40123 8391" "$(curl -s --max-time 30 --local-port 40123 http://127.0.0.1:8391/)"
        is "::1 40124 8391" "$(curl -s --max-time 30 --local-port 40124 'http://[::1]:8391/')"
        # The premise: without the line it is no request that nginx would take.
        is "" "$(get 127.0.0.1:8392 || true)"
        soute remove --force proxied"#,
    );
}

fn a_forwarder_goes_when_nobody_is_there(lab: &Lab) {
    script(
        lab,
        r#"
        served quiet 8393
        soute start quiet
        has "$(get 127.0.0.1:8393)" "quiet answers"
        is active "$(systemctl is-active soute-publish@quiet:8393.service)"
        # Half a minute after the last one has gone; the container and its port stay.
        gone() { ! systemctl is-active --quiet soute-publish@quiet:8393.service; }
        for ((try = 0; try < 120; try++)); do if gone; then break; fi; sleep 1; done
        gone
        is active "$(state quiet)"
        listens 8393
        soon no_stray
        has "$(get 127.0.0.1:8393)" "quiet answers"
        soute remove --force quiet"#,
    );
}

fn ports_of_who_does_not_run_yet_are_shown(lab: &Lab) {
    script(
        lab,
        r#"
        served sleeps 8394
        printf '%s\n' 'activate = true' '[[publish]]' 'listen = "8395"' 'to = 80' >>/etc/soute/containers/sleeps.toml
        lacks "$(soute list)" sleeps
        systemctl start soute-start@sleeps
        line=$(soute list | grep '^sleeps ')
        has "$line" listening
        has "$line" 8394:80
        lacks "$line" 8395:80
        has "$(soute list --json)" '"listening"'
        has "$(fails 3 soute status -n0 sleeps)" "Port: 8394:80 (soute-publish@sleeps:8394.socket)"
        has "$(get 127.0.0.1:8394)" "sleeps answers"
        line=$(soute list | grep '^sleeps ')
        has "$line" running
        has "$line" 8395:80
        soute stop sleeps
        has "$(soute list | grep '^sleeps ')" listening
        soute disable --now sleeps
        lacks "$(soute list)" sleeps
        soute remove sleeps"#,
    );
}
