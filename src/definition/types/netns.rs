//! Whose network a container has.

use std::fmt;

use super::scalar::{Refused, Scalar, scalar};
use super::{Name, escaped};
use crate::definition::suggest;

/// Its own, the host's, or that of another container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub enum NetworkNamespace {
    /// Its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// That of this container, which runs first.
    Container(Name),
}

impl NetworkNamespace {
    /// The container whose network it is.
    pub fn container(&self) -> Option<&Name> {
        match self {
            Self::Container(name) => Some(name),
            _ => None,
        }
    }
}

impl Scalar for NetworkNamespace {
    const EXPECTED: &'static str = "\"private\", \"host\" or \"container:NAME\"";

    fn text(text: &str) -> Result<Self, Refused> {
        match (text, text.strip_prefix("container:")) {
            ("private", _) => Ok(Self::Private),
            ("host", _) => Ok(Self::Host),
            (_, Some(name)) => Name::text(name).map(Self::Container),
            _ => {
                let near = suggest::nearest(text, ["private", "host"]);
                let refused = Refused::new(format!("unknown value \"{}\"", escaped(text)));
                Err(match near {
                    Some(near) => refused.help(format!("did you mean \"{near}\"?")),
                    None => refused.help(format!("it is {}", Self::EXPECTED)),
                })
            }
        }
    }
}

impl fmt::Display for NetworkNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private => f.write_str("private"),
            Self::Host => f.write_str("host"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

scalar!(NetworkNamespace, { "type": "string", "pattern": "^(private|host|container:[a-z0-9-]{1,40})$" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_kinds() {
        for text in ["private", "host", "container:db"] {
            assert_eq!(text.parse::<NetworkNamespace>().unwrap().to_string(), text);
        }
        for bad in ["", "container", "container:", "container:a b", "container:../x", "none"] {
            assert!(bad.parse::<NetworkNamespace>().is_err(), "{bad:?} was taken");
        }
        assert_eq!("hots".parse::<NetworkNamespace>().unwrap_err().help.unwrap(), "did you mean \"host\"?");
    }
}
