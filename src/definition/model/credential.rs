//! Secrets: where systemd gets them from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::{CredentialName, HostPath};

/// Where the content of a credential is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// A file of the host. (LoadCredential=)
    File(HostPath),
    /// A file that `systemd-creds encrypt` has made, under the name of the credential. (LoadCredentialEncrypted=)
    Encrypted(HostPath),
    /// A credential of the host's, by its name. (LoadCredential=)
    Host(CredentialName),
}
