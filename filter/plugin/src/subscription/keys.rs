use sha2::{Digest, Sha256};
use svidgate_snapshot::FORMAT;

use crate::config::Controller;
use crate::outgoing::Wanted;

/// Names in shared data. All plugins of a proxy may share one space (Istio sets no `vm_id`), so the names carry a
/// prefix of what the subscription asks for: plugins with the same needs share one subscription, others never mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    instance: String,
}

impl Keys {
    /// The names for a subscription to `controller`.
    #[must_use]
    pub fn new(controller: &Controller) -> Self {
        Self::wanting(controller, None)
    }

    /// The names for a subscription that brings credentials as well.
    #[must_use]
    pub fn wanting(controller: &Controller, credentials: Option<&Wanted>) -> Self {
        let mut hash = Sha256::new();
        hash.update(controller.cluster.as_bytes());
        hash.update(controller.wait.as_millis().to_le_bytes());
        if let Some(wanted) = credentials {
            hash.update(wanted.query().as_bytes());
        }
        let instance: String = hash
            .finalize()
            .iter()
            .take(4)
            .flat_map(|byte| [byte >> 4, byte & 0xf])
            .filter_map(hex_digit)
            .collect();
        Self { instance: format!("{FORMAT}-{instance}") }
    }

    /// Short name of the subscription, as reported to the controller.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The name of one entry of this subscription.
    #[must_use]
    pub fn name(&self, entry: &str) -> String {
        format!("svidgate.{}.{entry}", self.instance)
    }
}

fn hex_digit(nibble: u8) -> Option<char> {
    char::from_digit(u32::from(nibble), 16)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Keys;
    use crate::config::Controller;

    #[test]
    fn subscriptions_with_different_needs_do_not_share_entries() {
        let controller = |cluster: &str, seconds| Controller {
            cluster: cluster.to_owned(),
            wait: Duration::from_secs(seconds),
        };
        let keys =
            [controller("a", 1), controller("b", 1), controller("a", 2)].map(|c| Keys::new(&c).name("x"));
        assert_ne!(keys[0], keys[1]);
        assert_ne!(keys[0], keys[2]);
        assert_eq!(keys[0], Keys::new(&controller("a", 1)).name("x"));
    }
}
