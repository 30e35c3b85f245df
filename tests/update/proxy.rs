//! Replicas behind a reverse proxy, under load: nobody who asks notices an update, nor one that goes back.

use super::run;
use crate::lab::Lab;
use crate::lab::script::{both, import};

both!(no_request_fails_while_replicas_are_updated);

fn no_request_fails_while_replicas_are_updated(lab: &Lab) {
    import(lab, "nginx");
    run(
        lab,
        r##"
        # All of it on a bridge of the lab's own.
        ip link add br-roll up type bridge
        ip address add 10.87.0.1/24 dev br-roll
        page() {
            local tree
            tree=$(mktemp -d /var/tmp/XXXXXX)
            cp -a /images/nginx/. "$tree"
            echo "$1" >"$tree/var/www/html/index.html"
            [ "$1" != broken ] || rm "$tree/etc/nginx/nginx.conf"
            soute image import "page-$1" "$tree" 2>/dev/null
            rm -r "$tree"
        }
        page one; page two; page broken
        nginx='command = ["nginx", "-g", "daemon off;"]'
        define page 'replicas = 3' 'image = "page-one"' "$nginx" '[stop]' 'signal = "SIGQUIT"' '[variables]' '[health]' \
            'http = "http://:80/"' 'interval = "1s"' '[[network]]' 'bridge = "br-roll"' 'address = ["10.87.0.1${n}/24"]'
        # A server that is away for a moment costs a request one more try, and not itself its place.
        mkdir -p /srv/roll
        printf '%s\n' 'user www-data;' 'pid /run/nginx.pid;' 'error_log /dev/stderr error;' 'events { worker_connections 512; }' \
            'http {' 'access_log off;' 'upstream pages {' 'server 10.87.0.11 max_fails=0;' 'server 10.87.0.12 max_fails=0;' \
            'server 10.87.0.13 max_fails=0;' '}' 'server {' 'listen 80;' \
            'location / { proxy_pass http://pages; proxy_connect_timeout 2s; }' '}' '}' >/srv/roll/nginx.conf
        define front 'image = "nginx"' "$nginx" '[[mount]]' 'source = "/srv/roll/nginx.conf"' 'target = "/etc/nginx/nginx.conf"' \
            'read-only = true' '[[network]]' 'bridge = "br-roll"' 'address = ["10.87.0.10/24"]'
        ask() { curl --noproxy '*' --silent --show-error --fail --max-time 60 http://10.87.0.10/; }
        answers() { [ "$(ask 2>/dev/null)" = one ]; }
        soute start page front
        soon answers
        # What is shown could fail: without any of them there is no answer.
        soute stop page
        fails 22 ask >/dev/null
        soute start page
        soon answers

        work=$(mktemp -d)
        trap 'touch "$work/stop"; wait' EXIT
        # load FILE: asks without a pause, for 5 minutes at most.
        load() {
            local until=$((SECONDS + 300))
            while [ ! -e "$work/stop" ] && [ $SECONDS -lt $until ]; do
                ask >>"$work/$1" 2>>"$work/failed" || echo "failed with $?" >>"$work/failed"
            done
        }
        none_failed() { is "" "$(cat "$work/failed")"; }
        asked() { cat "$work"/[123] | wc -l; }
        asked_more() { [ "$(asked)" -gt "$before" ]; }
        touch "$work"/{1,2,3,failed}
        for n in 1 2 3; do load "$n" & done
        before=50
        soon asked_more
        said=$(fails 1 soute update page --image page-broken --settle 1s)
        has "$said" "page-1: it has ended: exited 1; it runs on page-one again"
        none_failed
        is one "$(sort -u "$work"/[123] | xargs)"
        soute update page --image page-two --settle 1s
        before=$(asked)
        soon asked_more
        none_failed
        is "one two" "$(sort -u "$work"/[123] | xargs)"
        # From now on there is nothing but the new one; and back again.
        for n in 1 2 3 4 5 6; do is two "$(ask)"; done
        soute rollback page
        for n in 1 2 3 4 5 6; do is one "$(ask)"; done
        touch "$work/stop"
        wait
        none_failed
        echo "$(asked) requests, none failed"
        soute remove --force page front
        ip link delete br-roll
        rm -r "$work" /srv/roll
        trap - EXIT"##,
    );
}
