use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::ConfigError;

/// Reads a YAML (or JSON) file.
///
/// # Errors
/// When it cannot be read, is no YAML, has a key twice, or is larger than 1 MiB.
pub fn read(path: &Path) -> Result<Value, ConfigError> {
    let origin = path.display().to_string();
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES.saturating_add(1)).read_to_string(&mut text))
        .map_err(|error| ConfigError::one(&origin, format!("cannot be read: {error}")))?;
    from_str(&origin, &text)
}

/// Reads YAML (or JSON) text; `origin` names it in errors. An empty document is an empty object.
///
/// # Errors
/// As for [`read`].
pub fn from_str(origin: &str, text: &str) -> Result<Value, ConfigError> {
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(ConfigError::one(origin, format!("has more than {MAX_BYTES} bytes")));
    }
    // Two equal keys are an error by this crate's default: with any other rule a reader and the program would
    // disagree about which one counts.
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
        Ok(value) => Ok(value),
        Err(error) => Err(ConfigError::one(origin, error.to_string().trim_end())),
    }
}

/// Settings are a few dozen lines; more is the wrong file.
const MAX_BYTES: u64 = 1024 * 1024;
