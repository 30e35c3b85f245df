use super::*;

fn descriptor(media_type: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":2}}"#, Digest::of(b"{}"))
}

fn parse(text: &str, media_type: Option<&str>) -> Result<Document, String> {
    Document::parse(text.as_bytes(), media_type).map_err(|error| error.to_string())
}

#[test]
fn a_document_is_a_manifest_or_an_index() {
    let (config, layer, entry) = (descriptor(CONFIG[0]), descriptor(LAYER[1]), descriptor(MANIFEST[0]));
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#);
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{entry}]}}"#, INDEX[0]);
    assert!(matches!(parse(&manifest, Some(MANIFEST[1])), Ok(Document::Manifest { layers, .. }) if layers.len() == 1));
    assert!(matches!(parse(&index, None), Ok(Document::Index(entries)) if entries.len() == 1));
    assert!(parse(&manifest, Some(INDEX[0])).unwrap_err().starts_with("it is not the application/vnd.oci.image.index"));
    assert!(parse(&index, Some(MANIFEST[0])).unwrap_err().starts_with("it is not the "));
    assert!(parse(&index.replace(INDEX[0], MANIFEST[0]), None).unwrap_err().starts_with("it is not the "));
}

#[test]
fn what_is_both_or_neither_is_refused() {
    let (config, layer, entry) = (descriptor(CONFIG[0]), descriptor(LAYER[1]), descriptor(MANIFEST[0]));
    let both = "it is a manifest and an index at once";
    let neither = "it is neither a manifest nor an index";
    for (fields, words) in [
        (format!(r#","config":{config},"layers":[{layer}],"manifests":[{entry}]"#), both),
        (format!(r#","layers":[],"manifests":[{entry}]"#), both),
        (format!(r#","config":{config},"manifests":[]"#), both),
        (format!(r#","config":{config}"#), neither),
        (format!(r#","layers":[{layer}]"#), neither),
        (String::new(), neither),
        (format!(r#","layers":[],"layers":[],"config":{config}"#), "duplicate field `layers`"),
        (format!(r#","config":{},"layers":[]"#, descriptor("application/vnd.helm")), "it is not an image"),
        (format!(r#","config":{config},"layers":[{}]"#, descriptor("x\\u001b")), "it has a x\\u{1b}"),
        (format!(r#","config":{config},"layers":[{}]"#, vec![layer.as_str(); 501].join(",")), "more than 500"),
        (format!(r#","config":{config},"layers":[{}]"#, layer.replace(":2", ":-2")), "invalid value"),
    ] {
        let error = parse(&format!(r#"{{"schemaVersion":2{fields}}}"#), None).unwrap_err();
        assert!(error.contains(words), "{error:?} instead of {words:?}");
    }
    assert_eq!(parse(r#"{"schemaVersion":1,"fsLayers":[]}"#, None).unwrap_err(), "its schemaVersion is not 2");
    // What is not read is passed over without recursion, and what is read goes no deeper than its types.
    assert!(parse(&"[".repeat(100_000), None).is_err());
    assert!(parse(&format!(r#"{{"x":{}"#, r#"{"a":"#.repeat(100_000)), None).is_err());
    assert!(parse(&format!(r#"{{"layers":{}"#, "[".repeat(100_000)), None).is_err());
}
