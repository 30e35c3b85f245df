//! Images as everybody has them, from a registry with TLS, run as they are; their data outlasts stop, start and reboot.

use super::registry::Registry;
use crate::lab::script::run;
use crate::lab::{Lab, image};

/// A lab of its own, as it reboots.
fn images_run_as_they_are(lab: &Lab) {
    let registry = Registry::start(lab);
    registry.push("busybox", &image::tree("busybox"), &["--config.cmd=sleep", "--config.cmd=infinity"]);
    let nginx = ["--config.cmd=nginx", "--config.cmd=-g", "--config.cmd=daemon off;", "--config.exposedports=80/tcp"];
    registry.push("nginx", &image::tree("nginx"), &[&nginx[..], &["--config.stopsignal=SIGQUIT"]].concat());
    run(
        lab,
        r#"
        from() { echo "image = { name = \"$1\", source = \"docker://127.0.0.1:5000/$1:1\", pull = \"$2\" }"; }
        mkdir -p /etc/soute/containers
        for name in busybox nginx; do from $name missing >/etc/soute/containers/$name.toml; done
        from busybox never | sed 's/"busybox"/"other"/' >/etc/soute/containers/never.toml

        # A start fetches only where it was told to.
        has "$(fails 4 soute start never)" "no image other"
        soute pull never
        has "$(soute pull never 2>&1)" "up to date"
        soute start busybox nginx never
        for name in busybox nginx other; do
            has "$(soute image show $name)" 'verified = "digest"'
        done
        soon soute exec nginx -- wget -qO /dev/null http://127.0.0.1/
        has "$(soute exec nginx -- wget -qO - http://127.0.0.1/)" "It works."

        # Their data outlasts what they are.
        soute exec nginx -- sh -c 'echo kept >/var/www/html/kept'
        soute exec busybox -- sh -c 'echo kept >/root/kept'
        soute stop nginx busybox
        soute start nginx busybox"#,
    );
    drop(registry);
    lab.reboot();
    run(
        lab,
        r#"
        soute start nginx busybox
        soon soute exec nginx -- wget -qO /dev/null http://127.0.0.1/
        is kept "$(soute exec nginx -- wget -qO - http://127.0.0.1/kept)"
        is kept "$(soute exec busybox -- cat /root/kept)"
        # Without its registry an image stays what it is.
        fails 1 soute pull nginx >/dev/null
        has "$(soute image show nginx)" 'verified = "digest"'
        soute stop nginx busybox"#,
    );
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn images_of_a_registry_run_as_they_are_on_252() {
    images_run_as_they_are(&Lab::boot(None, &[]));
}

#[test]
#[ignore = "rung 2: nested systemd 257"]
fn images_of_a_registry_run_as_they_are_on_257() {
    images_run_as_they_are(&Lab::boot(Some("trixie"), &[]));
}
