//! What a payload writes, wherever it writes it, is in the journal of its unit.

use crate::lab::Lab;
use crate::lab::script::{both, import, run};

both!(descriptors_and_device_files_are_the_journal, nginx_logs_to_dev_stdout_and_dev_stderr, identifier_and_silence);

fn descriptors_and_device_files_are_the_journal(lab: &Lab) {
    run(
        lab,
        r#"
        define talks 'command = ["sh", "-c", "echo to fd 1; echo to fd 2 >&2; echo to the file >/dev/stdout; echo to the other >/dev/stderr; exec sleep infinity"]'
        soute start talks
        for words in "to fd 1" "to fd 2" "to the file" "to the other"; do soon said talks "^$words\$"; done
        has "$(soute logs talks)" "to the file"
        # Flags before the name, as journalctl has them, or after it.
        is "$(soute logs talks -o cat -n 1)" "$(soute logs -o cat -n 1 talks)"
        has "$(fails 2 soute logs -n)" "name of a container is missing"
        has "$(fails 2 soute logs --lines 1 'a b')" "bad name"
        has "$(soute logs --help)" journalctl
        # All of them as the container's, by its identifier.
        is 4 "$(journalctl --no-pager -o cat -u soute@talks -t talks | grep -c '^to ')"
        soute stop talks
        # Last words are not lost either.
        define talks 'command = ["sh", "-c", "echo last words >/dev/stdout"]' 'restart.policy = "no"'
        soute start talks
        soon said talks '^last words$'"#,
    );
}

fn nginx_logs_to_dev_stdout_and_dev_stderr(lab: &Lab) {
    import(lab, "nginx");
    run(
        lab,
        r#"
        ip link add br-nginx up type bridge
        ip address add 10.65.0.1/24 dev br-nginx
        mkdir -p /srv/nginx
        printf '%s\n' 'error_log /dev/stderr info;' 'daemon off;' 'events {}' \
            'http { access_log /dev/stdout; server { listen 80; location / { return 200 "from inside\n"; } } }' >/srv/nginx/nginx.conf
        define nginx 'image = "nginx"' 'command = ["nginx", "-c", "/conf/nginx.conf"]' \
            '[[mount]]' 'source = "/srv/nginx"' 'target = "/conf"' 'read-only = true' \
            '[[network]]' 'bridge = "br-nginx"' 'address = ["10.65.0.2/24"]'
        soute start nginx
        answers() { [ "$(curl -s http://10.65.0.2/asked)" = "from inside" ]; }
        soon answers
        soon said nginx 'GET /asked'
        soon said nginx 'start worker process'
        soute stop nginx
        ip link delete br-nginx"#,
    );
}

fn identifier_and_silence(lab: &Lab) {
    run(
        lab,
        r#"
        define named 'log.identifier = "my-web"' 'command = ["sh", "-c", "echo hello; exec sleep infinity"]'
        soute start named
        hears() { journalctl --no-pager -o cat -t my-web | grep -x hello >/dev/null; }
        soon hears
        soute stop named
        define silent 'log.output = "none"' 'command = ["sh", "-c", "echo nobody hears; echo this >/dev/stdout; exec sleep infinity"]'
        soute start silent
        is /dev/null "$(readlink /proc/$(pid silent)/fd/1)"
        sleep 0.3
        ! said silent 'nobody hears'
        soute stop silent"#,
    );
}
