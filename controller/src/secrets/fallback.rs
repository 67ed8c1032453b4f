//! Static values for when Vault gives none: `vault.fail_open`, for development only.

use std::path::Path;

use secrecy::SecretString;
use svidgate_vault::{Secrets, SourceError};

use super::login::environment;
use crate::config::{Fallback, yaml_from_str};

/// The values, read now.
pub(super) async fn values(fallback: &Fallback) -> Result<Secrets, SourceError> {
    match fallback {
        Fallback::File(path) => of_file(path).await,
        Fallback::Environment(fields) => {
            let values = fields.iter().map(|(field, name)| Ok((field.as_str(), environment(name)?)));
            values.collect::<Result<Vec<_>, SourceError>>().map(Secrets::from_iter)
        }
    }
}

/// No error shows what stands in the file.
async fn of_file(path: &Path) -> Result<Secrets, SourceError> {
    let bad = |why: &str| SourceError::new(format!("{}: {why}", path.display()));
    let text = tokio::fs::read_to_string(path).await.map_err(|error| bad(&error.to_string()))?;
    let values = yaml_from_str("fallback", &text).map_err(|_| bad("is no YAML or JSON"))?;
    let members = values.as_object().ok_or_else(|| bad("is no object of fields"))?;
    Ok(members
        .iter()
        .map(|(field, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (field.as_str(), SecretString::from(text))
        })
        .collect())
}
