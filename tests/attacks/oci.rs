//! Row 27 of the list of attacks: documents and blobs of OCI images that are not what they claim, and row 2 in their
//! configurations. Layers are oci_layers.rs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use soute::image::import::{Options, import};
use soute::image::store::ImageInfo;

use crate::images::{Host, Tar};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layout in the making, and a host to import it on.
pub struct Layout {
    pub host: Host,
    path: PathBuf,
}

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Layout {
    pub fn new() -> Self {
        let host = Host::new();
        let path = host.dir.path().join("layout");
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        let layout = Self { host, path };
        layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path.join(name), content).unwrap();
    }

    /// Stores a blob and gives its descriptor.
    pub fn blob(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = digest(content);
        self.write(&format!("blobs/sha256/{}", &digest[7..]), content);
        json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
    }

    pub fn json(&self, media_type: &str, content: &Value) -> Value {
        self.blob(media_type, content.to_string().as_bytes())
    }

    pub fn index(&self, entries: &[Value]) {
        self.write("index.json", json!({ "schemaVersion": 2, "manifests": entries }).to_string().as_bytes());
    }

    /// A manifest of these layers and this configuration.
    pub fn manifest(&self, layers: &[Value], config: &Value) -> Value {
        let mut document = json!({ "os": "linux", "rootfs": { "type": "layers" }, "config": config });
        document["rootfs"]["diff_ids"] = layers.iter().map(|layer| layer["digest"].clone()).collect();
        let config = self.json(CONFIG, &document);
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers })
    }

    /// One image of these layers, in the index.
    pub fn image(&self, layers: &[Vec<u8>]) {
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(LAYER, layer)).collect();
        self.index(&[self.json(MANIFEST, &self.manifest(&layers, &json!({})))]);
    }

    pub fn import_from(&self, source: &Path) -> Result<ImageInfo, String> {
        import(&self.host.layout, "i", source, &Options::default(), &mut |_, _| ())
            .map_err(|error| error.to_string().split_once(": ").unwrap().1.to_owned())
    }

    pub fn import(&self) -> Result<ImageInfo, String> {
        self.import_from(&self.path)
    }

    /// Refused with these words, as a directory and as an archive; nothing is left and nothing else has changed.
    pub fn refuses(&self, words: &str) {
        let archive = self.host.dir.path().join("layout.tar");
        let status =
            std::process::Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&self.path).arg(".").status();
        assert!(status.unwrap().success());
        for source in [&self.path, &archive] {
            let error = self.import_from(source).expect_err(words);
            assert!(error.contains(words), "{error:?} instead of {words:?}");
            assert!(!error.chars().any(char::is_control), "{error:?}");
            assert_eq!(fs::read_dir(self.host.layout.images()).unwrap().count(), 0, "{words}: something is left");
        }
        self.host.check();
    }
}

fn layer() -> Vec<u8> {
    Tar::default().file("a").end()
}

#[test]
fn attack_27_a_manifest_is_no_index() {
    let layout = Layout::new();
    let layers = [layout.blob(LAYER, &layer())];
    let manifest = layout.manifest(&layers, &json!({}));
    let entry = layout.json(MANIFEST, &manifest);
    let mut both = manifest.clone();
    both["manifests"] = json!([entry]);
    layout.index(&[layout.json(MANIFEST, &both)]);
    layout.refuses("it is a manifest and an index at once");
    layout.index(&[layout.json(INDEX, &both)]);
    layout.refuses("it is a manifest and an index at once");
    let mut claims = entry.clone();
    claims["mediaType"] = json!(INDEX);
    layout.index(&[claims]);
    layout.refuses("it is not the application/vnd.oci.image.index.v1+json that it is said to be");
    layout.write("index.json", both.to_string().as_bytes());
    layout.refuses("index.json: it is a manifest and an index at once");
    layout.write("index.json", manifest.to_string().as_bytes());
    layout.refuses("index.json is not an index");
    let mut config = manifest.clone();
    config["config"]["mediaType"] = json!("application/vnd.\u{1b}[2J");
    layout.index(&[layout.json(MANIFEST, &config)]);
    layout.refuses(r"it is not an image: it has a application/vnd.\u{1b}[2J");
    layout.index(&[entry]);
    layout.import().unwrap();
}

#[test]
fn attack_27_blobs_are_what_their_digests_say() {
    let layout = Layout::new();
    let entry = |layers: &[Value]| layout.json(MANIFEST, &layout.manifest(layers, &json!({})));
    let with = |key: &str, value: Value| {
        let mut layer = layout.blob(LAYER, &layer());
        layer[key] = value;
        layer
    };
    let hex = digest(b"other");
    layout.index(&[entry(&[with("digest", json!(hex))])]);
    layout.refuses(&format!("blob {hex} is missing"));
    layout.write(&format!("blobs/sha256/{}", &hex[7..]), &layer());
    layout.refuses(&format!("{hex} has the digest {}", digest(&layer())));
    layout.index(&[entry(&[with("size", json!(1))])]);
    layout.refuses("bytes instead of 1");
    for bad in ["sha256:../../canary/file", "../../x", "sha512:00", &hex.to_uppercase(), "sha256:\u{1b}[2J", ""] {
        let mut manifest = layout.manifest(&[layout.blob(LAYER, &layer())], &json!({}));
        manifest["layers"][0]["digest"] = json!(bad);
        layout.index(&[layout.json(MANIFEST, &manifest)]);
        layout.refuses("is not a digest: sha256: and 64 digits are");
    }
    // A blob is a regular file of the layout.
    for target in ["../../../canary/file", "/dev/zero"] {
        let name = layout.path.join("blobs/sha256").join(&hex[7..]);
        fs::remove_file(&name).unwrap();
        std::os::unix::fs::symlink(target, &name).unwrap();
        layout.index(&[entry(&[with("digest", json!(hex))])]);
        let error = layout.import().unwrap_err();
        assert!(error.contains(&format!("cannot open blobs/sha256/{}", &hex[7..])), "{error}");
    }
    layout.host.check();
}

#[test]
fn attack_27_documents_are_bounded() {
    let layout = Layout::new();
    let blank = |size| vec![b' '; size];
    layout.index(&[layout.blob(MANIFEST, &blank((4 << 20) + 1))]);
    layout.refuses("a document has more than 4194304 bytes");
    layout.write("index.json", &blank((4 << 20) + 1));
    layout.refuses("index.json: a document has more than 4194304 bytes");
    let sparse = fs::File::create(layout.path.join("index.json")).unwrap();
    sparse.set_len(10 << 30).unwrap();
    assert!(layout.import().unwrap_err().contains("a document has more than 4194304 bytes"));
    drop(sparse);
    layout.write("index.json", "[".repeat(1 << 20).as_bytes());
    layout.refuses("index.json: ");
    let layer = layout.blob(LAYER, &layer());
    for count in [501, 15_000] {
        let layers = vec![layer.clone(); count];
        layout.index(&[layout.json(MANIFEST, &layout.manifest(&layers, &json!({})))]);
        layout.refuses(&format!("it has {count} layers, more than 500"));
    }
    let labels: serde_json::Map<String, Value> = (0..20_000).map(|n| (format!("{n}"), json!("x".repeat(64)))).collect();
    let manifest = layout.manifest(&[layer], &json!({ "Labels": labels }));
    layout.index(&[layout.json(MANIFEST, &manifest)]);
    let error = import(&layout.host.layout, "i", &layout.path, &Options::default(), &mut |_, _| ()).unwrap_err();
    assert_eq!(error.to_string(), "image.toml would be larger than 1 MiB");
}

#[test]
fn attack_27_indexes_end() {
    let layout = Layout::new();
    // By its digest no document can name itself: a cycle is one whose content is another's.
    let own = digest(b"own");
    let mut cycle = json!({ "mediaType": INDEX, "digest": own, "size": 0 });
    let text = |cycle: &Value| json!({ "schemaVersion": 2, "manifests": [cycle] }).to_string();
    for _ in 0..4 {
        cycle["size"] = json!(text(&cycle).len());
    }
    layout.write(&format!("blobs/sha256/{}", &own[7..]), text(&cycle).as_bytes());
    layout.index(&[cycle]);
    layout.refuses(&format!("{own} has the digest"));
    let manifest = layout.json(MANIFEST, &layout.manifest(&[layout.blob(LAYER, &layer())], &json!({})));
    let nested = |depth: usize, width: usize, inner: &Value| {
        (0..depth).fold(inner.clone(), |inner, _| {
            let entries = vec![inner; width];
            layout.json(INDEX, &json!({ "schemaVersion": 2, "manifests": entries }))
        })
    };
    layout.index(&[nested(4, 1, &manifest)]);
    layout.refuses("its indexes are nested deeper than 4");
    // 1000 ^ 3 entries that lead nowhere.
    layout.index(&[nested(3, 1000, &layout.json(INDEX, &json!({ "schemaVersion": 2, "manifests": [] })))]);
    layout.refuses("its indexes have more than 64 entries for this machine");
    layout.index(&[nested(3, 1, &manifest)]);
    layout.import().unwrap();
}

#[test]
fn attack_27_another_machines_image_is_refused() {
    let layout = Layout::new();
    let mut entry = layout.json(MANIFEST, &layout.manifest(&[], &json!({})));
    entry["platform"] = json!({ "os": "linux", "architecture": "pdp11" });
    layout.index(&[entry]);
    layout.refuses("it has no image for this machine, which is linux/");
    let config = layout.json(CONFIG, &json!({ "os": "linux", "architecture": "pdp11", "rootfs": { "diff_ids": [] } }));
    layout.index(&[layout.json(MANIFEST, &json!({ "schemaVersion": 2, "config": config, "layers": [] }))]);
    layout.refuses("it is for linux/pdp11, and this is linux/");
    let tagged = |name: &str| {
        let mut entry = layout.json(MANIFEST, &layout.manifest(&[], &json!({ "User": name })));
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": format!("x:{name}") });
        entry
    };
    layout.index(&[tagged("a"), tagged("b")]);
    layout.refuses("it has several images, choose one with --tag: x:a, x:b");
    let options = Options { tag: Some("b"), ..Options::default() };
    let info = import(&layout.host.layout, "i", &layout.path, &options, &mut |_, _| ()).unwrap();
    assert_eq!(info.declared.user.as_deref(), Some("b"));
}

/// What `docker save` wrote before it wrote layouts.
fn saved(config: &[u8], name: &str, layers: &[(&str, Vec<u8>)]) -> Tar {
    let mut tar = Tar::default().add(tar::EntryType::Regular, name.as_bytes(), b"", config);
    for (name, layer) in layers {
        tar = tar.add(tar::EntryType::Regular, name.as_bytes(), b"", layer);
    }
    let names: Vec<&str> = layers.iter().map(|(name, _)| *name).collect();
    let list = json!([{ "Config": name, "RepoTags": ["x:a"], "Layers": names }]).to_string();
    tar.add(tar::EntryType::Regular, b"manifest.json", b"", list.as_bytes())
}

#[test]
fn attack_27_saved_archives_are_what_their_digests_say() {
    let layout = Layout::new();
    let file = layout.host.dir.path().join("saved.tar");
    let import = |archive: Vec<u8>| {
        fs::write(&file, archive).unwrap();
        layout.import_from(&file)
    };
    let config = |layers: &[&str]| {
        json!({ "os": "linux", "config": { "Cmd": ["a"] }, "rootfs": { "diff_ids": layers } }).to_string().into_bytes()
    };
    let right = config(&[&digest(&layer())]);
    let name = format!("{}.json", &digest(&right)[7..]);
    let id = &digest(b"id")[7..];
    let path = format!("{id}/layer.tar");
    let words = |archive: Vec<u8>, words: &str| {
        let error = import(archive).expect_err(words);
        assert!(error.contains(words), "{error:?} instead of {words:?}");
        layout.host.check();
    };
    let other = Tar::default().file("b").end();
    words(saved(&right, &name, &[(&path, other)]).end(), &format!("{} has the digest", digest(&layer())));
    words(saved(&config(&[]), &name, &[(&path, layer())]).end(), "its configuration sha256:");
    words(saved(&right, "blobs", &[]).end(), "it has 0 layers, and its configuration 1");
    let list = |text: &str| Tar::default().add(tar::EntryType::Regular, b"manifest.json", b"", text.as_bytes());
    words(list(r#"[{"Config":"../../etc/passwd","Layers":[]}]"#).end(), "its name has \"..\" in it");
    words(list(r#"[{"Config":"/etc/passwd","Layers":[]}]"#).end(), "its name is an absolute path");
    words(list(r#"[{"Config":"etc/passwd","Layers":[]}]"#).end(), "etc/passwd is missing");
    words(list("[]").end(), "it has no image");
    // Links lead to members, and nowhere else.
    let canary = layout.host.canary() + "/file";
    let linked = |to: &str| saved(&right, &name, &[]).symlink(&path, to);
    let with_link = |to: &str| {
        let list = json!([{ "Config": name, "Layers": [path] }]).to_string();
        let tar = Tar::default().symlink("blobs", "blobs").symlink(&path, to);
        let tar = tar.add(tar::EntryType::Regular, name.as_bytes(), b"", &right);
        tar.add(tar::EntryType::Regular, b"manifest.json", b"", list.as_bytes())
            .add(tar::EntryType::Regular, b"l", b"", &layer())
            .end()
    };
    words(with_link(&canary), "layer.tar is missing");
    words(with_link("../../l"), "it leads out of the archive");
    words(with_link("layer.tar"), "has too many links");
    words(linked("../blobs").end(), "it has 0 layers");
    let info = import(with_link("../l")).unwrap();
    assert_eq!(info.manifest, Some(digest(&right)));
    assert_eq!(info.declared.command.unwrap(), ["a"]);
    assert_eq!(fs::read(layout.host.root().join("a")).unwrap(), b"content");
}

#[test]
fn attack_02_configurations_of_images_take_no_control_character() {
    let layout = Layout::new();
    for (config, words) in [
        (json!({ "Cmd": ["a\nExecStartPre=x"] }), "its Cmd: "),
        (json!({ "Env": ["A=b\u{85}"] }), "its Env: "),
        (json!({ "User": "a\n" }), "its User: "),
        (json!({ "WorkingDir": "/a\r" }), "its WorkingDir: "),
        (json!({ "StopSignal": "\u{9b}" }), "its StopSignal: "),
        (json!({ "ExposedPorts": { "80\u{1b}[2J": {} } }), "its ExposedPorts: "),
    ] {
        layout.index(&[layout.json(MANIFEST, &layout.manifest(&[], &config))]);
        layout.refuses(words);
    }
    let labels = json!({ "Labels": { "com.example.note": "two\nlines \u{1b}[2J\u{202e}" } });
    layout.index(&[layout.json(MANIFEST, &layout.manifest(&[], &labels))]);
    let info = layout.import().unwrap();
    assert_eq!(info.declared.labels["com.example.note"], r"two\u{a}lines \u{1b}[2J\u{202e}");
}
