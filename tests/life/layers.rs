//! A container of an image that came in layers runs what the image declares.

use std::process::Command;

use crate::lab::script::{both, run};
use crate::lab::{Lab, Ran, image};

both!(layers_run_what_the_image_declares);

#[track_caller]
fn umoci(arguments: &[&str]) {
    Ran::of(&format!("umoci {arguments:?}"), Command::new("umoci").args(arguments)).ok();
}

fn layers_run_what_the_image_declares(lab: &Lab) {
    let path = lab.root().join("root/layout");
    let (layout, tree) = (path.to_str().unwrap(), image::tree("busybox"));
    let image = format!("{layout}:1.0");
    umoci(&["init", "--layout", layout]);
    umoci(&["new", "--image", &image]);
    umoci(&["insert", "--image", &image, tree.to_str().unwrap(), "/"]);
    umoci(&["insert", "--image", &image, "--whiteout", "/bin/vi"]);
    let script =
        r#"trap "echo asked; exit 0" QUIT; echo "$(id -u):$(id -g) $PWD $GREETING $@"; while :; do sleep 0.1; done"#;
    umoci(&[
        "config",
        "--image",
        &image,
        "--config.user=www-data:staff",
        "--config.env=PATH=/bin",
        "--config.env=GREETING=hello",
        "--config.entrypoint=/bin/sh",
        "--config.entrypoint=-c",
        &format!("--config.entrypoint={script}"),
        "--config.entrypoint=sh",
        "--config.cmd=one",
        "--config.cmd=two words",
        "--config.workingdir=/var",
        "--config.stopsignal=SIGQUIT",
        "--config.exposedports=80/tcp",
        "--config.label=note=shown",
    ]);
    lab.define("layered", "image = \"layers\"\n");
    run(
        lab,
        r#"
        soute image import layers /root/layout
        manifest=$(sed -n 's/.*"digest":"\(sha256:[0-9a-f]*\)".*/\1/p' /root/layout/index.json)
        shown=$(soute image show layers)
        has "$shown" "manifest = \"$manifest\""
        has "$shown" 'exposed-ports = ["80/tcp"]'
        has "$shown" 'note = "shown"'
        has "$(soute image list)" "${manifest:7:12}"
        soute start layered
        soon said layered '^33:50 /var hello one two words$'
        root=/var/lib/soute/disks/layered/root
        [ -e $root/bin/ls ] && [ ! -e $root/bin/vi ]
        is "" "$(find $root -name '.wh.*')"
        soute stop layered
        soon said layered '^asked$'
        soute remove layered
        soute image remove layers
        rm -r /root/layout"#,
    );
}
