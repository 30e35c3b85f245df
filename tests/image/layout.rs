//! An image exported as an OCI layout is what skopeo and umoci read, and the same image again when it is imported.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use soute::image::import::{Options, import};
use soute::image::oci::layout::{Described, Target};
use soute::image::store::{Declared, ImageInfo, Store};
use soute::layout::Layout;

use crate::lab::{everything, run};
use crate::listing::{assert_same, listing};

fn imported(layout: &Layout, name: &str, source: &Path, declared: Declared) -> ImageInfo {
    let options = Options { declared, ..Options::default() };
    import(layout, name, source, &options, &mut |_, _| ()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn export(layout: &Layout, name: &str, target: Target) -> soute::error::Result<Vec<Vec<u8>>> {
    let image = Store::new(layout)?.open(name)?;
    let described = Described { name, declared: &image.info.declared };
    target.write(described, image.root()?.as_fd(), &mut |_| ())
}

fn declared() -> Declared {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    Declared {
        entrypoint: words(&["/bin/a", "b c"]),
        command: words(&["\"d\""]),
        user: Some("33:44".to_owned()),
        working_directory: Some("/dir".to_owned()),
        stop_signal: Some("SIGQUIT".to_owned()),
        environment: [("A".to_owned(), "b=c d".to_owned())].into(),
        ..Declared::default()
    }
}

#[test]
#[ignore = "rung 1: needs root, umoci and skopeo"]
fn a_layout_is_read_by_others_and_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let path = |name: &str| dir.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let source = path("source");
    fs::create_dir(&source).unwrap();
    everything(&source);
    imported(&layout, "with-socket", &source, Declared::default());
    let left_out = export(&layout, "with-socket", Target::directory(&path("socket")).unwrap()).unwrap();
    assert_eq!(left_out, [b"./socket".to_vec()]);
    fs::remove_file(source.join("socket")).unwrap();
    run("touch", &["-d", "2020-02-02 02:02:02.02", source.to_str().unwrap()]);
    let info = imported(&layout, "web", &source, declared());

    for name in ["oci", "oci-too"] {
        assert_eq!(export(&layout, "web", Target::directory(&path(name)).unwrap()).unwrap(), Vec::<Vec<u8>>::new());
    }
    for name in ["oci.tar", "oci-too.tar"] {
        export(&layout, "web", Target::archive(&path(name), false).unwrap()).unwrap();
    }
    run("diff", &["-r", &text("oci"), &text("oci-too")]);
    assert!(fs::read(path("oci.tar")).unwrap() == fs::read(path("oci-too.tar")).unwrap(), "the same bytes each time");
    fs::create_dir(path("untarred")).unwrap();
    run("tar", &["-xf", &text("oci.tar"), "-C", &text("untarred")]);
    run("diff", &["-r", &text("oci"), &text("untarred")]);
    assert_eq!(fs::metadata(path("oci")).unwrap().mode() & 0o777, 0o700, "it has the shadow file of its users");

    for name in ["oci", "oci.tar"] {
        let again = imported(&layout, &name.replace('.', "-"), &path(name), Declared::default());
        assert_eq!((&again.digest, again.declared), (&info.digest, declared()), "{name}");
    }
    for source in [format!("oci:{}:web", text("oci")), format!("oci-archive:{}:web", text("oci.tar"))] {
        let shown: String = run("skopeo", &["inspect", "--config", &source]).split_ascii_whitespace().collect();
        for part in [r#""Entrypoint":["/bin/a","bc"]"#, r#""Env":["A=b=cd"]"#, r#""StopSignal":"SIGQUIT""#] {
            assert!(shown.contains(part), "{source}: {shown}");
        }
        run("skopeo", &["inspect", &source]);
        // It holds every digest against what it copies.
        run("skopeo", &["--insecure-policy", "copy", "-q", &source, &format!("dir:{}", text("copied"))]);
    }
    run("umoci", &["unpack", "--image", &format!("{}:web", text("oci")), &text("bundle")]);
    // umoci writes no holes.
    let unpacked = |root: &Path| -> String {
        let line = |line: &str| line.rsplit_once(" [").map_or(line, |(before, _)| before).to_owned() + "\n";
        listing(root, false).lines().map(line).collect()
    };
    assert_same(&unpacked(&path("bundle/rootfs")), &unpacked(&source));
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_layout_is_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path().join("host"));
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("etc")).unwrap();
    imported(&layout, "plain", &source, Declared::default());
    // A name that would hide another.
    fs::write(source.join("etc/.wh.passwd"), b"").unwrap();
    imported(&layout, "hides", &source, Declared::default());
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    for target in [Target::directory(&out.join("oci")), Target::archive(&out.join("oci.tar"), false)] {
        let error = export(&layout, "hides", target.unwrap()).unwrap_err().to_string();
        assert_eq!(error, "cannot write ./etc/.wh.passwd: in a layer that name would hide another");
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "nothing is left of what failed");

    for name in ["oci", "oci.tar"] {
        fs::create_dir(out.join(name)).unwrap();
    }
    let error = Target::directory(&out.join("oci")).unwrap_err().to_string();
    assert_eq!(error, "it exists, and a directory is never replaced");
    let error = Target::archive(&out.join("oci.tar"), false).unwrap_err().to_string();
    assert_eq!(error, "it exists (--force replaces it)");
    export(&layout, "plain", Target::archive(&out.join("oci.tar"), true).unwrap()).unwrap_err();
    // One that another has made meanwhile.
    let late = Target::directory(&out.join("late")).unwrap();
    fs::create_dir(out.join("late")).unwrap();
    let error = export(&layout, "plain", late).unwrap_err().to_string();
    assert_eq!(error, "it exists, and a directory is never replaced");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3);
}
