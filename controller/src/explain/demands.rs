//! What the token must satisfy: the plugin's configuration, overridden by arguments.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use svidgate_jwt_svid::unverified::{Claims, Compact};
use svidgate_jwt_svid::{AlgorithmSet, Audiences, MAX_CLOCK_SKEW, Verifier, VerifierConfig};
use svidgate_policy::Settings;

use crate::cli::Failure;
use crate::config::{self, ConfigError};

/// Demands that may leave the audience open.
#[derive(Debug)]
pub(super) struct Demands {
    pub(super) audiences: Option<Audiences>,
    pub(super) algorithms: AlgorithmSet,
    pub(super) clock_skew: u64,
    pub(super) max_token_bytes: usize,
    pub(super) max_age: Option<u64>,
    /// The plugin's, for its rules.
    pub(super) settings: Option<Arc<Settings>>,
}

impl Demands {
    pub(super) fn new(
        plugin: Option<&Path>,
        audiences: &[String],
        clock_skew: Option<u64>,
    ) -> Result<Self, Failure> {
        let mut demands = match plugin {
            Some(path) => Self::of_plugin(path)?,
            None => Self::defaults().map_err(Failure::Other)?,
        };
        if !audiences.is_empty() {
            let given = Audiences::new(audiences);
            demands.audiences =
                Some(given.map_err(|error| ConfigError::one("--audience", error.to_string()))?);
        }
        if let Some(clock_skew) = clock_skew {
            demands.clock_skew = clock_skew;
        }
        Ok(demands)
    }

    /// The verifier for this token. Without expected audiences it is told to expect those that the token names, so
    /// that the walk goes on; whoever shows its outcome must not present that step as checked.
    pub(super) fn verifier(&self, token: &[u8]) -> anyhow::Result<Verifier> {
        let audiences = match &self.audiences {
            Some(audiences) => audiences.clone(),
            None => self.audiences_of(token).map_or_else(|| Audiences::new([NOBODY]), Ok)?,
        };
        Ok(Verifier::new(VerifierConfig {
            audiences,
            algorithms: self.algorithms,
            clock_skew: self.clock_skew,
            max_token_bytes: self.max_token_bytes,
            max_age: self.max_age,
        })?)
    }

    fn audiences_of(&self, token: &[u8]) -> Option<Audiences> {
        if token.len() > self.max_token_bytes {
            return None;
        }
        let compact = Compact::parse(token).ok()?;
        let claims = Claims::parse(&compact.payload).ok()?;
        Audiences::new(claims.audiences()?.iter().filter(|audience| !audience.is_empty()).cloned()).ok()
    }

    fn of_plugin(path: &Path) -> Result<Self, Failure> {
        let value = config::read_yaml(path)?;
        let parsed = svidgate_plugin::config::Config::from_value(&value).map_err(|errors| ConfigError {
            origin: path.display().to_string(),
            mistakes: errors.iter().map(ToString::to_string).collect(),
        })?;
        Ok(Self { settings: Some(parsed.settings), ..Self::from(parsed.verifier.config().clone()) })
    }

    fn defaults() -> anyhow::Result<Self> {
        let config = VerifierConfig::new(Audiences::new([NOBODY])?);
        Ok(Self { audiences: None, ..Self::from(config) })
    }
}

impl From<VerifierConfig> for Demands {
    fn from(config: VerifierConfig) -> Self {
        let VerifierConfig { audiences, algorithms, clock_skew, max_token_bytes, max_age } = config;
        Self { audiences: Some(audiences), algorithms, clock_skew, max_token_bytes, max_age, settings: None }
    }
}

/// A skew as an argument: `5s`, or seconds alone.
pub(super) fn skew(text: &str) -> Result<u64, String> {
    let text = if text.bytes().all(|byte| byte.is_ascii_digit()) { format!("{text}s") } else { text.into() };
    let range = Duration::ZERO..=Duration::from_secs(MAX_CLOCK_SKEW);
    svidgate_config::duration(range)(&Value::String(text)).map(|skew| skew.as_secs())
}

/// An audience for a verifier that expects none; no token can reach the audience step because of it.
const NOBODY: &str = "nobody";
