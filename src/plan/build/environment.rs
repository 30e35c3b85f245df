//! The payload's environment: the image's, over it the files', over it the table's, and nothing of the host's.

use super::super::Facts;
use crate::definition::Definition;
use crate::definition::model::Init;
use crate::definition::types::Timezone;

/// Docker's and podman's default, which images count on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All variables, sorted by name.
pub fn environment(definition: &Definition, facts: &Facts) -> Vec<(String, String)> {
    let mut all = std::collections::BTreeMap::new();
    let mut set = |key: &str, value: &str| all.insert(key.to_owned(), value.to_owned());
    set("PATH", PATH);
    // What systemd-detect-virt and many programs look for, see the Container Interface.
    set("container", "soute");
    if definition.init == Init::Image {
        set("container_uuid", &uuid(facts));
    }
    if let Some(zone) = timezone(definition, facts) {
        set("TZ", &zone);
    }
    if !definition.credentials.is_empty() {
        let boots = definition.init == Init::Image;
        set("CREDENTIALS_DIRECTORY", if boots { "/run/host/credentials" } else { "/run/credentials" });
    }
    for (key, value) in facts.image_environment.iter().chain(&facts.file_environment) {
        set(key, value);
    }
    for (key, value) in &definition.environment {
        set(key.as_str(), value);
    }
    all.into_iter().collect()
}

/// The zone's name.
pub fn timezone(definition: &Definition, facts: &Facts) -> Option<String> {
    match definition.timezone.as_ref()? {
        Timezone::Local => facts.timezone.clone(),
        Timezone::Zone(zone) => Some(zone.clone()),
    }
}

/// The machine-id that a booting system takes when its image has none: stable, and another one for each container.
fn uuid(facts: &Facts) -> String {
    let hex: String = super::links::digest(facts, "uuid").iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
