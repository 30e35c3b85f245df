//! What a registry wants of who is not known to it: the header WWW-Authenticate.

use std::collections::BTreeMap;

/// A way to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// By a token that somebody else gives.
    Bearer {
        /// Who gives it.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
    /// By name and password.
    Basic,
}

impl Challenge {
    /// The first of a header's that we know.
    pub fn parse(header: &str) -> Option<Self> {
        let mut rest = header.trim();
        while !rest.is_empty() {
            let (scheme, after) = rest.split_once(' ').unwrap_or((rest, ""));
            let (mut parameters, left) = parameters(after);
            match scheme.to_ascii_lowercase().as_str() {
                "basic" => return Some(Self::Basic),
                "bearer" => {
                    let realm = parameters.remove("realm")?;
                    let (service, scope) = (parameters.remove("service"), parameters.remove("scope"));
                    return Some(Self::Bearer { realm, service, scope });
                }
                _ => rest = left,
            }
        }
        None
    }
}

/// `a="b", c=d` up to what is no parameter, which begins the next challenge.
fn parameters(mut text: &str) -> (BTreeMap<String, String>, &str) {
    let mut found = BTreeMap::new();
    loop {
        text = text.trim_start_matches([' ', ',', '\t']);
        let Some((name, rest)) = text.split_once('=') else { return (found, text) };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return (found, text);
        }
        let (value, rest) = match rest.strip_prefix('"') {
            Some(rest) => quoted(rest),
            None => rest.find([',', ' ']).map_or((rest.to_owned(), ""), |end| (rest[..end].to_owned(), &rest[end..])),
        };
        found.insert(name.to_ascii_lowercase(), value);
        text = rest;
    }
}

fn quoted(text: &str) -> (String, &str) {
    let (mut value, mut escape) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escape => {
                value.push(c);
                escape = false;
            }
            '\\' => escape = true,
            '"' => return (value, &text[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let (service, scope) = (service.map(str::to_owned), scope.map(str::to_owned));
        Some(Challenge::Bearer { realm: realm.to_owned(), service, scope })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let wanted =
            bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some("repository:a/b:pull,push"));
        assert_eq!(Challenge::parse(docker), wanted);
        assert_eq!(Challenge::parse("Basic realm=\"x, y\""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("basic"), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Negotiate, Bearer realm=x"), bearer("x", None, None));
        assert_eq!(Challenge::parse("Digest a=b, c=\"d\\\"e\", bearer REALM=x"), bearer("x", None, None));
        for none in ["", "Bearer", "Bearer service=x", "Digest a=b", "Bearer =", "\"", "Bearer realm"] {
            assert_eq!(Challenge::parse(none), None, "{none}");
        }
        assert_eq!(Challenge::parse("Bearer realm=\"x"), bearer("x", None, None));
    }
}
