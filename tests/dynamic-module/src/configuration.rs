//! What the prototype is configured with: the plugin's own configuration, and what stands in for the subscription.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use svidgate_plugin::config::Config;
use svidgate_plugin::trust::Trust;
use svidgate_policy::Judge;

use crate::host;

/// The JSON text of `filter_config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    /// The configuration of the plugin.
    plugin: Value,
    /// File with a snapshot, as a controller gives it.
    snapshot: PathBuf,
    /// Whether callers may ask for a panic or an abort, to show what each does to Envoy.
    #[serde(default)]
    test_faults: bool,
}

/// What one instance enforces, shared by all workers.
pub(crate) struct Configuration {
    pub(crate) plugin: Config,
    pub(crate) judge: Judge,
    pub(crate) trust: Trust,
    pub(crate) test_faults: bool,
}

impl Configuration {
    /// Reads the text, and the snapshot that it names.
    ///
    /// # Errors
    /// What is wrong, for Envoy's log.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        // Refuses members that are there twice.
        let text = svidgate_config::parse_json(text).map_err(|errors| errors.to_string())?;
        let text: Text = serde_json::from_value(text).map_err(|error| error.to_string())?;
        let plugin = Config::from_value(&text.plugin).map_err(|errors| errors.to_string())?;
        let judge = Judge::new(plugin.settings.clone());
        if judge.asks_for_peer() {
            return Err("a rule asks for the mTLS peer, which the prototype does not read".to_owned());
        }
        let path = text.snapshot.display();
        let bytes = fs::read(&text.snapshot).map_err(|error| format!("{path}: {error}"))?;
        let mut trust = Trust::default();
        Trust::decode(&bytes)
            .and_then(|snapshot| trust.adopt(snapshot, host::now()))
            .map_err(|refusal| format!("{path}: {}", refusal.label()))?;
        Ok(Self { plugin, judge, trust, test_faults: text.test_faults })
    }
}

/// Whatever workers share must bear it: this does not compile otherwise.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Configuration>();
};
