use std::io::Read as _;
use std::path::Path;

use serde_json::Value;
use svidgate_config::parse_json;

use crate::config::ConfigError;

/// Reads a file of Envoy's, YAML or JSON.
///
/// # Errors
/// When it cannot be read, is neither, has a key twice, or is larger than 64 MiB.
pub(super) fn read(path: &Path) -> Result<Value, ConfigError> {
    let origin = path.display().to_string();
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES.saturating_add(1)).read_to_string(&mut text))
        .map_err(|error| ConfigError::one(&origin, format!("cannot be read: {error}")))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(ConfigError::one(origin, format!("has more than {MAX_BYTES} bytes")));
    }
    parse(&text).map_err(|error| ConfigError::one(origin, error))
}

/// JSON first: dumps are JSON and large, and its parser is the faster one by far.
fn parse(text: &str) -> Result<Value, String> {
    let json = text.trim_start().starts_with(['{', '[']).then(|| parse_json(text.as_bytes()));
    match json {
        Some(Ok(value)) => Ok(value),
        // YAML in flow style begins so too. Of two failures the one that fits what the text looks like is told.
        Some(Err(error)) => serde_saphyr::from_str(text).map_err(|_| error.to_string()),
        None => serde_saphyr::from_str(text).map_err(|error| error.to_string().trim_end().to_owned()),
    }
}

/// The dump of a mesh's gateway has tens of megabytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
