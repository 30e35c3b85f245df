//! The picture for Graphviz: bridges are boxes, containers are ellipses, links are lines between them.

use std::fmt::Write;

use super::picture::{Picture, Port};
use crate::definition::types::escaped;

/// An undirected graph.
pub fn graph(picture: &Picture) -> String {
    let mut text = String::from("graph soute {\n  graph [rankdir=LR]\n");
    for bridge in &picture.bridges {
        let label: Vec<_> = std::iter::once(&bridge.name).chain(&bridge.addresses).map(String::as_str).collect();
        node(
            &mut text,
            &format!("bridge {}", bridge.name),
            &label,
            if bridge.up { "box" } else { "box, style=dashed" },
        );
    }
    for parent in &picture.parents {
        let label: Vec<_> = std::iter::once(&parent.name).chain(&parent.addresses).map(String::as_str).collect();
        node(&mut text, &format!("link {}", parent.name), &label, "box, style=rounded");
    }
    for (container, links) in picture.containers() {
        node(&mut text, &format!("container {container}"), &[container], "ellipse");
        for (of, port) in links {
            if let Some(of) = of {
                edge(&mut text, &of, &format!("container {container}"), port);
            }
        }
    }
    for bridge in &picture.bridges {
        for port in bridge.ports.iter().filter(|port| port.container.is_none()) {
            let what = port.kind.as_deref().unwrap_or("network card");
            node(&mut text, &format!("port {}", port.name), &[&port.name, what], "plaintext");
            edge(&mut text, &format!("bridge {}", bridge.name), &format!("port {}", port.name), port);
        }
    }
    text + "}\n"
}

fn node(text: &mut String, id: &str, label: &[&str], shape: &str) {
    let label: Vec<_> = label.iter().map(|line| quoted(line)).collect();
    let _ = writeln!(text, "  \"{}\" [label=\"{}\", shape={shape}]", quoted(id), label.join("\\n"));
}

fn edge(text: &mut String, of: &str, to: &str, port: &Port) {
    let label: Vec<_> = port.link.iter().chain(&port.addresses).map(|line| quoted(line)).collect();
    let _ = writeln!(text, "  \"{}\" -- \"{}\" [label=\"{}\"]", quoted(of), quoted(to), label.join("\\n"));
}

/// A name of somebody's link can have quotes in it.
fn quoted(text: &str) -> String {
    escaped(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::super::picture::Bridge;
    use super::super::picture::tests::survey;
    use super::*;

    #[test]
    fn a_farm_is_a_graph() {
        let wanted = r#"graph soute {
  graph [rankdir=LR]
  "bridge br-farm" [label="br-farm", shape=box]
  "bridge br-front" [label="br-front\n10.89.0.1/24", shape=box]
  "link eth2" [label="eth2", shape=box, style=rounded]
  "container lost" [label="lost", shape=ellipse]
  "container proxy" [label="proxy", shape=ellipse]
  "bridge br-farm" -- "container proxy" [label="eth1\n10.88.0.10/24"]
  "bridge br-front" -- "container proxy" [label="eth0\n10.89.0.10/24"]
  "container public" [label="public", shape=ellipse]
  "link eth2" -- "container public" [label="eth0\n192.0.2.5/24"]
  "container web1" [label="web1", shape=ellipse]
  "bridge br-farm" -- "container web1" [label="eth0\n10.88.0.11/24"]
  "port eth1" [label="eth1\nnetwork card", shape=plaintext]
  "bridge br-front" -- "port eth1" [label=""]
}
"#;
        assert_eq!(graph(&Picture::of(&survey())), wanted);
    }

    #[test]
    fn a_name_does_not_end_a_string() {
        let bridge = Bridge { name: "a\"b\\".into(), up: true, ..Bridge::default() };
        let text = graph(&Picture { bridges: vec![bridge], ..Picture::default() });
        assert!(text.contains(r#""bridge a\"b\\" [label="a\"b\\", shape=box]"#), "{text}");
    }
}
