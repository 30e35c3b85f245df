//! Secrets reach the payload's user, and nothing else.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(a_secret_is_read_by_its_user_alone, every_source_of_secrets, what_is_not_there_or_not_meant);

fn a_secret_is_read_by_its_user_alone(lab: &Lab) {
    run(
        lab,
        r#"
        token=top-$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
        echo $token >/root/secret
        chmod 600 /root/secret
        define holder 'user = "1000"' 'credentials.db-password = { file = "/root/secret" }' 'restart.policy = "always"' 'restart.delay = "100ms"'
        soute start holder
        inside() { soute exec holder -- "$@"; }
        is $token "$(inside cat /run/credentials/db-password)"
        is "400 1000" "$(inside stat -c '%a %u' /run/credentials/db-password)"
        is "500 1000" "$(inside stat -c '%a %u' /run/credentials)"
        has "$(inside grep ' /run/credentials ' /proc/mounts)" ramfs
        has "$(inside grep ' /run/credentials ' /proc/mounts)" ro,
        has "$(tr '\0' '\n' </proc/$(pid holder)/environ)" CREDENTIALS_DIRECTORY=/run/credentials
        fails 1 soute exec -u 2000 holder -- cat /run/credentials/db-password >/dev/null
        # Nowhere else: environment, snapshot, definition, unit, log, disk.
        lacks "$(tr '\0' '\n' </proc/$(pid holder)/environ)" $token
        lacks "$(soute show holder; soute unit holder; systemctl show soute@holder; soute list --json)" $token
        is "" "$(grep -rl $token /run/soute /var/lib/soute /run/systemd/transient || true)"
        lacks "$(journalctl --no-pager -u soute@holder)" $token
        lacks "$(soute audit holder)" WRONG
        is "" "$(soute verify holder)"
        # At each start it is loaded again, also after a daemon-reload.
        systemctl daemon-reload
        echo other >/root/secret
        pid=$(pid holder)
        kill -9 $pid
        soon runs_again holder $pid
        is other "$(inside cat /run/credentials/db-password)"
        soute stop holder
        # systemd 257 may take them away a moment later.
        gone() { [ -z "$(ls -A /run/credentials/soute@holder.service 2>/dev/null)" ]; }
        soon gone
        # A container without has none of this.
        define holder
        soute start holder
        lacks "$(tr '\0' '\n' </proc/$(pid holder)/environ)" CREDENTIALS_DIRECTORY
        fails 1 soute exec holder -- grep credentials /proc/mounts >/dev/null
        soute stop holder"#,
    );
}

fn every_source_of_secrets(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /run/credstore /etc/keys
        echo of-the-host >/run/credstore/shared
        echo of-a-file >/etc/keys/plain
        printf 'was encrypted' | systemd-creds encrypt --with-key=host --name=sealed - /etc/keys/sealed
        lacks "$(cat /etc/keys/sealed)" "was encrypted"
        define sources 'init = "reaper"' '[credentials]' 'plain = { file = "/etc/keys/plain" }' \
            'sealed = { encrypted = "/etc/keys/sealed" }' 'of-host = { host = "shared" }'
        soute start sources
        is "of-a-file of-the-host was encrypted" \
            "$(soute exec sources -- sh -c 'cd /run/credentials; echo $(cat plain of-host sealed)')"
        # A drop-in gives one another source.
        mkdir -p /etc/soute/containers/sources.toml.d
        echo 'credentials.plain.host = "shared"' >/etc/soute/containers/sources.toml.d/x.toml
        soute restart sources
        is of-the-host "$(soute exec sources -- cat /run/credentials/plain)"
        soute remove --force sources"#,
    );
}

fn what_is_not_there_or_not_meant(lab: &Lab) {
    run(
        lab,
        r#"
        define needed
        define lacking 'requires = ["needed"]' 'credentials.gone = { file = "/no/such/file" }'
        has "$(soute check lacking 2>&1)" "/etc/soute/containers/lacking.toml:4:29"
        has "$(soute check lacking 2>&1)" "credential gone: /no/such/file does not exist"
        is "soute: cannot start lacking: credential gone: /no/such/file does not exist" "$(fails 1 soute start lacking)"
        # Nothing was begun for it.
        is inactive "$(state needed)"
        for kind in encrypted host; do
            define lacking "credentials.gone = { $kind = \"$([ $kind = host ] || echo /no/such/)nothing\" }"
            has "$(soute check lacking 2>&1)" "credential gone: "
            has "$(fails 1 soute start lacking)" "cannot start lacking: credential gone: "
        done
        # What has gone since costs nobody a container that runs.
        echo word >/root/goes
        define lacking 'credentials.gone = { file = "/root/goes" }'
        lacks "$(soute check lacking 2>&1)" credential
        soute start lacking
        rm /root/goes
        main=$(pid lacking)
        has "$(fails 1 soute restart lacking)" "cannot restart lacking: credential gone: /root/goes does not exist"
        is "$main" "$(pid lacking)"
        soute start lacking
        soute remove --force lacking needed
        bad() { define lacking "$@"; fails 5 soute check lacking >/dev/null; }
        bad 'credentials.a = { file = "/a b" }'
        bad 'credentials.a = { file = "/a%n" }'
        bad 'credentials."a/b" = { file = "/a" }'
        bad 'credentials.a = "secret"'
        bad 'credentials.a = { file = "/a", host = "b" }'
        bad 'credentials.a = { file = "/a" }' '[[mount]]' 'type = "tmpfs"' 'target = "/run/credentials"'
        define lacking 'credentials.a = { file = "/a" }' 'systemd.LoadCredential = "x:/y"'
        fails 5 soute check lacking >/dev/null
        rm /etc/soute/containers/lacking.toml"#,
    );
}
