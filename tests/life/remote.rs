//! `-H`: the same command on another machine, over a real sshd; the other machine is the lab itself.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(commands_run_over_there, files_of_this_machine_are_refused);

/// A server on loopback with keys of its own, once a lab.
const SERVER: &str = r#"
    serve() {
        exec 8>/run/serve-lock
        flock 8
        if [ ! -e /root/.ssh/config ]; then
            mkdir -p -m 700 /root/.ssh /run/sshd /etc/ssh
            grep '^root:' /etc/passwd >/dev/null || echo 'root:x:0:0:root:/root:/bin/bash' >>/etc/passwd
            grep '^sshd:' /etc/passwd >/dev/null || echo 'sshd:x:994:65534::/run/sshd:/usr/sbin/nologin' >>/etc/passwd
            # sshd lets nobody in whose password is "!".
            [ ! -e /etc/shadow ] || sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
            ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/server
            ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
            cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
            printf '%s\n' 'Port 2222' 'ListenAddress 127.0.0.1' 'HostKey /etc/ssh/server' 'PermitRootLogin yes' 'UsePAM no' \
                'StrictModes no' 'SetEnv PATH=/usr/local/bin:/usr/bin:/bin' >/etc/ssh/server.conf
            systemd-run -q --unit=lab-sshd /usr/sbin/sshd -D -f /etc/ssh/server.conf
            echo "[127.0.0.1]:2222 $(cat /etc/ssh/server.pub)" >/root/.ssh/known_hosts
            printf '%s\n' 'Host there' 'HostName 127.0.0.1' 'Port 2222' 'User root' 'BatchMode yes' >/root/.ssh/config
        fi
        flock -u 8
        soon ssh -T there true
    }
"#;

fn commands_run_over_there(lab: &Lab) {
    run(
        lab,
        &(SERVER.to_owned()
            + r#"
        serve
        define far
        soute -H there start far
        has "$(soute -H there list)" "far "
        is "$(soute list --json)" "$(soute -H root@there --root / list --json)"
        is "$(hostname)" "$(soute --host ssh://root@127.0.0.1:2222 exec far -- hostname | sed 's/^far$/lab/')"
        # Words arrive as they are, streams byte for byte, and the exit status comes back.
        odd="it's \"odd\"; \$(id) * \\ é"$'\n'"second line"
        is "$odd" "$(soute -H there exec far -- printf %s "$odd")"
        is "" "$(soute -H there exec far -- printf %s '')"
        head -c 300000 /dev/urandom >/tmp/bytes
        soute -H there exec -i far -- cat </tmp/bytes >/tmp/back
        cmp /tmp/bytes /tmp/back
        fails 7 soute -H there exec far -- sh -c 'exit 7' >/dev/null
        fails 4 soute -H there status no-such >/dev/null
        fails 255 soute -H ssh://127.0.0.1:1 list >/dev/null
        # A terminal at both ends is one over there.
        script -qec "soute -H there exec -it far -- sh -c 'test -t 0 && stty size'" /tmp/there </dev/null >/dev/null
        has "$(cat /tmp/there)" " "
        # Who follows is not left behind.
        timeout 3 soute -H there events >/dev/null || true
        gone() { ! pgrep -x -f 'soute events' >/dev/null; }
        soon gone
        # Files, by standard input and output.
        soute -H there stop far
        soute -H there export far - --disk >/tmp/far.tar
        soute -H there import - --name nearer </tmp/far.tar
        soute -H there show nearer >/dev/null
        soute -H there remove far nearer"#),
    );
}

fn files_of_this_machine_are_refused(lab: &Lab) {
    run(
        lab,
        r#"
        refused() { has "$(fails 2 soute -H nowhere "$@")" "there are no files of this machine"; }
        refused cp web:/etc/passwd /tmp/x
        refused cp ./x web:/tmp/x
        refused import /tmp/x.tar
        refused export web /tmp/x.tar
        refused image import x /tmp/x.tar
        refused image export x /tmp/x.tar
        refused check ./web.toml
        refused up .
        # What is an option of ssh's is no host.
        fails 2 soute -H '-oProxyCommand=touch /tmp/hit' list >/dev/null
        [ ! -e /tmp/hit ]
        # What belongs to a verb is not ours.
        define plain
        soute start plain
        is "-H x" "$(soute exec plain -- echo -H x)"
        soute remove --force plain"#,
    );
}
