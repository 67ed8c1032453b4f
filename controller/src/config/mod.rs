//! Settings of the controller: one YAML file, then the environment on top.
//!
//! Everything is checked before anything starts, and every mistake is reported at once with its path. Not checked
//! here: whether the sockets exist, which changes while the controller runs.

mod across;
mod credentials;
mod environment;
mod files;
mod ready;
mod secrets;
mod settings;
mod vault;
mod yaml;

use std::path::Path;

use thiserror::Error;

pub use credentials::{
    CredentialEntry, CredentialFile, CredentialSource, CredentialSubscriber, Credentials, FileForm,
    WantedSecret, WantedSvid,
};
pub use environment::{Environment, VARIABLES, Variable};
pub use files::{Action, Content, File, Hook, Owner, Process, Signal, Target};
pub use ready::{Format, Ready};
pub use secrets::{FALLBACK_AFTER, Fallback, Secret};
pub use settings::{
    Config, DEFAULT_ADMIN_SOCKET, DEFAULT_SERVER_SOCKET, DEFAULT_STATE_FILE, Log, LogFormat, Revocations,
    Server, WorkloadApi,
};
pub use vault::{Auth, AuthMethod, Given, Identity, Jwt, Vault};
pub use yaml::{from_str as yaml_from_str, read as read_yaml};

/// What is wrong with the settings. The process ends with exit status 64.
#[derive(Debug, Error)]
#[error("{origin}: {}", mistakes.join(&format!("\n{origin}: ")))]
pub struct ConfigError {
    /// The file, or what else was read.
    pub origin: String,
    /// One line each: path of the value, then what is wrong with it. Never empty.
    pub mistakes: Vec<String>,
}

impl ConfigError {
    /// A mistake that kept the settings from being read at all.
    #[must_use]
    pub fn one(origin: impl Into<String>, mistake: impl Into<String>) -> Self {
        Self { origin: origin.into(), mistakes: vec![mistake.into()] }
    }
}

/// Reads the settings from `file` (none: defaults and environment only).
///
/// # Errors
/// Every mistake at once.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Config, ConfigError> {
    let (origin, mut root) = match file {
        Some(path) => (path.display().to_string(), yaml::read(path)?),
        None => ("settings".to_owned(), serde_json::Value::Object(serde_json::Map::new())),
    };
    let overridden = environment.overlay(&mut root);
    Config::parse(&root).map_err(|errors| ConfigError {
        origin,
        mistakes: errors.iter().map(|error| overridden.explain(error)).collect(),
    })
}

#[cfg(test)]
mod tests;
