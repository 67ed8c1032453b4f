//! `svidgate check`: settings of the controller and configurations of the plugin, checked by the code that will read
//! them, and what Envoy is told around the plugin; without running anything.

mod envoy;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};

use crate::cli::Failure;
use crate::config::{self, ConfigError, Environment};
use crate::printable;
use crate::sink::Sink;

/// Arguments of `svidgate check`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("files").required(true).multiple(true).args(["controller", "plugin", "envoy"])))]
pub struct CheckArgs {
    /// Settings of the controller (YAML).
    #[arg(long, value_name = "FILE")]
    controller: Vec<PathBuf>,
    /// Configuration of the plugin (JSON, or YAML of the same shape).
    #[arg(long, value_name = "FILE")]
    plugin: Vec<PathBuf>,
    /// Configuration of Envoy (YAML or JSON): a bootstrap, an LDS or ECDS response, or the admin interface's
    /// /config_dump. Files of one Envoy are read together.
    #[arg(long, value_name = "FILE")]
    envoy: Vec<PathBuf>,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
}

/// Checks every file and reports all mistakes of all of them.
///
/// # Errors
/// [`Failure::Reported`] when there was a mistake.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let controllers =
        args.controller.iter().map(|path| (path, check_controller(path, &environment).map(|()| Vec::new())));
    let plugins = args.plugin.iter().map(|path| (path, check_plugin(path)));
    let mut stdout = std::io::stdout().lock();
    let mut stderr = std::io::stderr().lock();
    let mut wrong = 0_usize;
    for (path, checked) in controllers.chain(plugins) {
        // Who closed our output does not want to read it; the exit status still tells.
        let _ = match checked {
            Ok(findings) => {
                let counts = findings.iter().filter(|finding| finding.is_error() || args.strict).count();
                wrong = wrong.saturating_add(counts);
                show_settings(path, &findings, &mut stdout, &mut stderr)
            }
            Err(error) => {
                wrong = wrong.saturating_add(1);
                writeln!(stderr, "{}", printable::lines(&error.to_string()))
            }
        };
    }
    if !args.envoy.is_empty() {
        let report = envoy::Report::of(&args.envoy);
        let _ = show(&report, &args.envoy, &mut stdout, &mut stderr);
        let counts = report.findings.iter().filter(|finding| finding.is_error() || args.strict).count();
        wrong = wrong.saturating_add(counts).saturating_add(report.unread.len());
    }
    if wrong == 0 { Ok(()) } else { Err(Failure::Reported) }
}

fn show_settings(
    path: &Path,
    findings: &[envoy::Finding],
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> std::io::Result<()> {
    if findings.is_empty() {
        return writeln!(stdout, "{}: ok", path.display());
    }
    for finding in findings {
        writeln!(stderr, "{}\n", printable::lines(&finding.to_string()))?;
    }
    let warnings = number(findings.len(), "warning");
    writeln!(
        stderr,
        "{}: {}, {warnings}",
        printable::escaped(&path.display().to_string()),
        number(0, "error")
    )
}

/// Findings first, then a line for each file.
fn show(
    report: &envoy::Report,
    files: &[PathBuf],
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> std::io::Result<()> {
    for error in &report.unread {
        writeln!(stderr, "{}", printable::lines(&error.to_string()))?;
    }
    for finding in &report.findings {
        writeln!(stderr, "{}\n", printable::lines(&finding.to_string()))?;
    }
    for file in files.iter().map(|file| file.display().to_string()) {
        let name = printable::escaped(&file);
        match report.count(&file) {
            (0, 0) if report.unread.iter().any(|error| error.origin == file) => {}
            (0, 0) => writeln!(stdout, "{name}: ok")?,
            (errors, warnings) => {
                writeln!(stderr, "{name}: {}, {}", number(errors, "error"), number(warnings, "warning"))?;
            }
        }
    }
    Ok(())
}

fn number(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn check_controller(path: &Path, environment: &Environment) -> Result<(), ConfigError> {
    let config = config::load(Some(path), environment)?;
    let mistakes = Sink::check(&config);
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(ConfigError { origin: path.display().to_string(), mistakes })
    }
}

/// Mistakes, or what is doubtful where there are none.
fn check_plugin(path: &Path) -> Result<Vec<envoy::Finding>, ConfigError> {
    let value = config::read_yaml(path)?;
    let origin = path.display().to_string();
    match svidgate_plugin::config::Config::from_value(&value) {
        Ok(config) => Ok(envoy::of_settings(&origin, &value, &config.settings)),
        Err(errors) => {
            Err(ConfigError { origin, mistakes: errors.iter().map(ToString::to_string).collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<envoy::Finding>, ConfigError> {
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
