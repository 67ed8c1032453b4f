//! `svidgate check`: settings of the controller and configurations of the plugin, checked by the code that will read
//! them, without running anything.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::Failure;
use crate::config::{self, ConfigError, Environment};
use crate::printable;

/// Arguments of `svidgate check`.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct CheckArgs {
    /// Settings of the controller (YAML).
    #[arg(long, value_name = "FILE")]
    controller: Vec<PathBuf>,
    /// Configuration of the plugin (JSON, or YAML of the same shape).
    #[arg(long, value_name = "FILE")]
    plugin: Vec<PathBuf>,
}

/// Checks every file and reports all mistakes of all of them.
///
/// # Errors
/// [`Failure::Reported`] when there was a mistake.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let controllers = args.controller.iter().map(|path| (path, check_controller(path, &environment)));
    let plugins = args.plugin.iter().map(|path| (path, check_plugin(path)));
    let mut stdout = std::io::stdout().lock();
    let mut stderr = std::io::stderr().lock();
    let mut wrong = 0_usize;
    for (path, checked) in controllers.chain(plugins) {
        // Who closed our output does not want to read it; the exit status still tells.
        let _ = match checked {
            Ok(()) => writeln!(stdout, "{}: ok", path.display()),
            Err(error) => {
                wrong = wrong.saturating_add(1);
                writeln!(stderr, "{}", printable::lines(&error.to_string()))
            }
        };
    }
    if wrong == 0 { Ok(()) } else { Err(Failure::Reported) }
}

fn check_controller(path: &Path, environment: &Environment) -> Result<(), ConfigError> {
    config::load(Some(path), environment).map(drop)
}

fn check_plugin(path: &Path) -> Result<(), ConfigError> {
    let value = config::read_yaml(path)?;
    svidgate_plugin::config::Config::from_value(&value).map(drop).map_err(|errors| ConfigError {
        origin: path.display().to_string(),
        mistakes: errors.iter().map(ToString::to_string).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        check_plugin(file.path())
    }

    #[test]
    fn plugin_configurations_are_read_as_json_and_as_yaml() {
        check(r#"{"audiences": ["a.test"], "allowed_spiffe_ids": ["spiffe://a.test/x"]}"#).unwrap();
        check("audiences: [a.test]\nallowed_spiffe_ids:\n- spiffe://a.test/x\n").unwrap();
    }

    #[test]
    fn every_mistake_of_a_plugin_configuration_is_reported_with_its_path() {
        let error = check(r#"{"audiences": [], "allowed_spiffe_ids": ["x"], "clock_skew": 5}"#).unwrap_err();
        let text = error.to_string();
        for path in ["audiences: ", "allowed_spiffe_ids[0]: ", "clock_skew: "] {
            assert!(text.contains(path), "{text}");
        }
    }
}
