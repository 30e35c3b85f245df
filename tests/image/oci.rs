//! Images in layers as umoci and skopeo write them: what comes out is the tree that went in.

use std::fs;
use std::path::Path;

use soute::image::import::{Options, import};
use soute::image::store::ImageInfo;
use soute::layout::Layout;

use crate::lab::{everything, run};
use crate::listing::{assert_same, listing};

/// The tree that the layers are differences of.
fn first(root: &Path) {
    everything(root);
    // tar(1) has no sockets, umoci writes no holes and no ACLs.
    for name in ["socket", "sparse", "hole"] {
        fs::remove_file(root.join(name)).unwrap();
    }
    for acl in ["system.posix_acl_default", "system.posix_acl_access"] {
        rustix::fs::lremovexattr(root.join("dir/deeper"), acl).unwrap();
    }
    for dir in ["gone/deep/er", "emptied/deep", "to-file/x", "to-link/x", "usr/lib"] {
        fs::create_dir_all(root.join(dir)).unwrap();
        fs::write(root.join(dir).join("file"), dir).unwrap();
    }
    for name in ["to-dir", "removed", "changed"] {
        fs::write(root.join(name), name).unwrap();
    }
    std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
}

fn second(root: &Path) {
    fs::remove_dir_all(root.join("gone")).unwrap();
    fs::remove_dir_all(root.join("emptied/deep")).unwrap();
    for dir in ["to-file", "to-link"] {
        fs::remove_dir_all(root.join(dir)).unwrap();
    }
    fs::write(root.join("to-file"), "a file now").unwrap();
    std::os::unix::fs::symlink("/etc", root.join("to-link")).unwrap();
    for name in ["to-dir", "removed", "lib", "dir/file"] {
        fs::remove_file(root.join(name)).unwrap();
    }
    for dir in ["to-dir", "lib"] {
        fs::create_dir(root.join(dir)).unwrap();
        fs::write(root.join(dir).join("new"), "new").unwrap();
    }
    fs::write(root.join("changed"), "and longer").unwrap();
    run("chmod", &["700", root.join("usr").to_str().unwrap()]);
}

fn whole_seconds(root: &Path) {
    run("find", &[root.to_str().unwrap(), "-exec", "touch", "-h", "-d", "2020-02-02 02:02:02", "{}", "+"]);
}

#[test]
#[ignore = "rung 1: needs root, umoci and skopeo"]
fn layouts_and_saved_archives_give_the_tree_that_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let image = format!("{}:1.0", at("oci"));
    run("umoci", &["init", "--layout", &at("oci")]);
    run("umoci", &["new", "--image", &image]);
    run("umoci", &["unpack", "--image", &image, &at("bundle")]);
    let root = dir.path().join("bundle/rootfs");
    for change in [first, second] {
        change(&root);
        whole_seconds(&root);
        run("umoci", &["repack", "--refresh-bundle", "--image", &image, &at("bundle")]);
    }
    let declares = ["--config.user=33:44", "--config.env=A=b c", "--config.cmd=/bin/a", "--config.label=note=x"];
    let more = ["--config.exposedports=80/tcp", "--config.stopsignal=SIGQUIT", "--config.workingdir=/dir"];
    run("umoci", &[&["config", "--image", &image], &declares[..], &more].concat());
    let copy = |to: &str| run("skopeo", &["--insecure-policy", "copy", "-q", &format!("oci:{image}"), to]);
    copy(&format!("oci-archive:{}:1.0", at("oci.tar")));
    copy(&format!("docker-archive:{}:example.com/test:1.0", at("docker.tar")));
    run(
        "skopeo",
        &[
            "--insecure-policy",
            "copy",
            "-q",
            "--dest-compress-format=zstd",
            &format!("oci:{image}"),
            &format!("oci:{}:1.0", at("zstd")),
        ],
    );
    run("zstd", &["-q", "-o", &at("oci.tar.zst"), &at("oci.tar")]);
    run("gzip", &["-k", &at("docker.tar")]);

    let layout = Layout::new(dir.path().join("host"));
    let wanted = listing(&root, false);
    let mut infos: Vec<ImageInfo> = Vec::new();
    for source in ["oci", "zstd", "oci.tar", "oci.tar.zst", "docker.tar", "docker.tar.gz"] {
        let options = Options { tag: Some("1.0"), ..Options::default() };
        let info = import(&layout, source, dir.path().join(source).as_path(), &options, &mut |_, _| ());
        let info = info.unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_same(&listing(&layout.images().join(source).join("root"), false), &wanted);
        infos.push(info);
    }
    let declared = &infos[0].declared;
    assert_eq!(declared.user.as_deref(), Some("33:44"));
    assert_eq!(declared.command, Some(vec!["/bin/a".to_owned()]));
    assert_eq!(declared.environment["A"], "b c");
    assert_eq!(
        (declared.stop_signal.as_deref(), declared.working_directory.as_deref()),
        (Some("SIGQUIT"), Some("/dir"))
    );
    assert_eq!((declared.exposed_ports[0].as_str(), declared.labels["note"].as_str()), ("80/tcp", "x"));
    for info in &infos {
        assert_eq!((&info.digest, &info.declared), (&infos[0].digest, &infos[0].declared), "{}", info.origin);
        let hex = info.manifest.as_deref().unwrap().strip_prefix("sha256:").unwrap();
        assert!(
            info.origin.contains("docker")
                || info.origin.contains("zstd")
                || dir.path().join("oci/blobs/sha256").join(hex).exists()
        );
    }
    assert_eq!(infos[4].manifest, infos[5].manifest);
}
