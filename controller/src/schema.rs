//! `svidgate schema`: what may stand in the settings, by the code that reads them.

mod markdown;

use std::io::Write as _;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use svidgate_config::Schema;

use crate::cli::Failure;
use crate::config::Config as ControllerConfig;

/// Arguments of `svidgate schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Whose settings.
    #[arg(value_enum, required_unless_present = "markdown")]
    of: Option<Settings>,
    /// Print the reference of all settings for people instead (docs/configuration.md).
    #[arg(long, conflicts_with = "of")]
    markdown: bool,
}

/// A kind of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Settings {
    /// The plugin's configuration, JSON in Envoy's.
    Plugin,
    /// The controller's settings, a YAML file.
    Controller,
}

/// Prints JSON Schema, or the reference.
///
/// # Errors
/// When the output cannot be written.
pub fn run(args: &SchemaArgs) -> Result<(), Failure> {
    let text = match args.of {
        Some(settings) => format!("{:#}\n", settings.json_schema()),
        None => markdown::reference(),
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| Failure::Other(error.into()))
}

impl Settings {
    /// The JSON Schema (draft 2020-12) of a whole document.
    #[must_use]
    pub fn json_schema(self) -> Value {
        let mut root = self.schema().to_json();
        if let Some(members) = root.as_object_mut() {
            members.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
            members.insert("title".to_owned(), json!(self.title()));
            members.insert("description".to_owned(), json!(MEANING));
        }
        root
    }

    fn schema(self) -> Schema {
        match self {
            Self::Plugin => svidgate_plugin::config::Config::schema(),
            Self::Controller => ControllerConfig::schema(),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Plugin => "Configuration of the svidgate plugin",
            Self::Controller => "Settings of the svidgate controller",
        }
    }
}

/// What the schema leaves out.
const MEANING: &str = "Forms of values, required and unknown settings. What several settings mean together is checked \
                       by `svidgate check`, with the same code that reads them.";

pub(crate) const HELP: &str = "\
Examples:
  svidgate schema plugin > plugin.schema.json
  svidgate schema controller > controller.schema.json

An editor that knows JSON Schema (draft 2020-12) then completes and explains
settings. In a YAML file, for the YAML language server:
  # yaml-language-server: $schema=controller.schema.json";

#[cfg(test)]
mod tests;
