//! The command line. Exit status: 0 fine, 64 wrong settings or arguments (as in sysexits.h), 1 anything else.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, ConfigError, Environment, LogFormat};
use crate::run::Once;
use crate::sink::{Hooks, Sink};
use crate::{check, dev, explain, logging, printable, revoke, run, schema, status, token};

/// SPIFFE identity for Envoy: takes trust bundles from SPIRE and pushes them to every filter.
#[derive(Debug, Parser)]
#[command(name = "svidgate", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller: Workload API in, snapshots for Envoy out.
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// A SPIFFE trust domain in one process, for development.
    Dev {
        #[command(subcommand)]
        command: dev::DevCommand,
    },
    /// Fetch a JWT-SVID from any Workload API.
    Token(token::TokenArgs),
    /// Show which Envoys hold which revision.
    #[command(after_help = STATUS_HELP)]
    Status(status::StatusArgs),
    /// Refuse a key, a token or a subject at every Envoy, from now on.
    #[command(after_help = revoke::HELP)]
    Revoke(revoke::RevokeArgs),
    /// Check settings of the controller and of the plugin, without running anything.
    #[command(after_help = CHECK_HELP)]
    Check(check::CheckArgs),
    /// Print what may stand in settings, as JSON Schema or as a reference.
    #[command(after_help = schema::HELP)]
    Schema(schema::SchemaArgs),
    /// Say why a token is refused, step by step as the filter goes.
    #[command(after_help = explain::HELP)]
    Explain(explain::ExplainArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// YAML file with the settings. Not needed when the environment gives enough.
    #[arg(long, value_name = "FILE", env = "SVIDGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Write every file of `files` and end, as an init container does.
    #[arg(long)]
    once: bool,
    /// With --once: the longest that it may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration, requires = "once")]
    deadline: Duration,
    /// With --once: run hooks as well.
    #[arg(long, requires = "once")]
    hooks: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    svidgate_config::duration(Duration::from_secs(1)..=Duration::from_hours(1))(&text.into())
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Settings or arguments are wrong; nothing was started.
    Settings(ConfigError),
    /// As before, and they were shown already.
    Reported,
    /// It was done and shown, and this is its exit status.
    Status(u8),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Settings(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<ConfigError>() {
            Ok(settings) => Self::Settings(settings),
            Err(error) => Self::Other(error),
        }
    }
}

/// Reads the command line, does what it says, and tells the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let status = if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return status;
        }
    };
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    match failure {
        Failure::Settings(error) => {
            let _ = writeln!(stderr, "{}", printable::lines(&error.to_string()));
            ExitCode::from(EX_USAGE)
        }
        Failure::Reported => ExitCode::from(EX_USAGE),
        Failure::Status(status) => ExitCode::from(*status),
        Failure::Other(error) => {
            // Servers and files of others have a say in it.
            let _ = writeln!(stderr, "svidgate: {}", printable::lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(args) => {
            let config = config::load(args.config.as_deref(), &Environment::of_process())?;
            // Templates in files belong to the settings.
            Sink::prepare(&config)?;
            logging::init(&config.log);
            if args.once {
                let hooks = if args.hooks { Hooks::Run } else { Hooks::Skip };
                return block_on(run::once(config, Once { deadline: args.deadline, hooks }));
            }
            block_on(run::until_signal(config))
        }
        Command::Dev { command } => {
            logging::init(&config::Log { format: LogFormat::Text, ..config::Log::default() });
            block_on(dev::run(command))
        }
        Command::Token(args) => block_on(token::run(args)),
        Command::Status(args) => block_on(status::run(args)),
        Command::Revoke(args) => block_on(revoke::run(args)),
        Command::Check(args) => check::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Explain(args) => explain::run(&args),
    }
}

pub(crate) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(error.into()))?;
    let result = runtime.block_on(command);
    // A blocking call that hangs must not keep a finished command alive.
    runtime.shutdown_background();
    Ok(result?)
}

/// sysexits.h: the command was used incorrectly.
const EX_USAGE: u8 = 64;

const EXAMPLES: &str = "\
Examples:
  Try it with nothing installed
    svidgate dev run --socket /tmp/svidgate/agent.sock
    export SPIFFE_ENDPOINT_SOCKET=unix:///tmp/svidgate/agent.sock
    export SVIDGATE_SERVER_SOCKET=/tmp/svidgate/controller.sock
    svidgate run

  With SPIRE
    svidgate check --controller /etc/svidgate/controller.yaml
    svidgate run --config /etc/svidgate/controller.yaml

  Call a service behind the filter
    token=$(svidgate token --audience backend.example.org)
    curl -H \"Authorization: Bearer $token\" http://127.0.0.1:8080/

  A token is refused, but why?
    svidgate explain --plugin /etc/svidgate/plugin.json < token

  Before a new signing key is activated: do all Envoys hold it?
    svidgate status

  A token leaked
    svidgate revoke token < token

Exit status: 0 fine, 64 wrong settings or arguments, 1 anything else;
`explain` has more.";

const RUN_HELP: &str = "\
Settings (YAML), with their defaults:
  workload_api:
    # Or $SPIFFE_ENDPOINT_SOCKET: unix: with a path, tcp: with IP:PORT. Required
    # but for `files` and `credentials` that take nothing from it
    socket: unix:///run/spire/sockets/agent.sock
  server:
    # Envoy's cluster points here. The folder must belong to root or to the
    # controller's user, and nobody else may be able to write to it
    socket: /run/svidgate/controller.sock
    # Who may connect: owner and group
    mode: \"0660\"
    # Users that may connect, on top of the mode; no default
    allowed_uids: [0, 101]
    # The operator's own socket, for `svidgate revoke`; no default
    admin_socket: /run/svidgate/admin.sock
  revocations:
    # A list that is read each second; no default
    file: /etc/svidgate/revocations.yaml
    # Where what `svidgate revoke` says outlives the controller
    state_file: /var/lib/svidgate/revocations.json
  log:
    format: json  # or text
    level: info   # error, warn, info, debug, trace

The environment overrides the file:
  SVIDGATE_WORKLOAD_API_SOCKET  SVIDGATE_SERVER_SOCKET  SVIDGATE_SERVER_MODE
  SVIDGATE_SERVER_ALLOWED_UIDS (0,101)  SVIDGATE_LOG_FORMAT  SVIDGATE_LOG_LEVEL
  SVIDGATE_SERVER_ADMIN_SOCKET  SVIDGATE_REVOCATIONS_FILE
  SVIDGATE_REVOCATIONS_STATE_FILE  SVIDGATE_VAULT_ADDRESS
  SVIDGATE_VAULT_NAMESPACE

The same socket has /status /health /readyz /livez /metrics:
  curl --unix-socket /run/svidgate/controller.sock http://localhost/health

SIGTERM and SIGINT end it gracefully; a second one ends it at once.

vault, secrets and files: docs/vault.md. In an init container
  svidgate run --once --config /etc/svidgate/controller.yaml
writes every file and ends: 0, or 1 with what is missing after --deadline.";

const STATUS_HELP: &str = "\
Examples:
  svidgate status
  svidgate status --socket /tmp/svidgate/controller.sock --json | jq .summary

A subscriber is `current` when it enforces the revision in force. AGE is the
time since the sources were last known to stand behind what it enforces.

Rotation: activate a new signing key when it is held by all subscribers. Take an
old one out of the bundle when no token that it signed is alive; then every
subscriber is `current` again and no line shows it any more.";

const CHECK_HELP: &str = "\
Examples:
  svidgate check --controller controller.yaml --plugin plugin.json
  svidgate check --envoy envoy.yaml
  curl -s http://127.0.0.1:9901/config_dump > dump.json
  svidgate check --strict --envoy dump.json
  svidgate check --envoy lds.json --envoy ecds.json --envoy cds.json

The environment's overrides count for --controller, as for `svidgate run`.
Every mistake is reported at once, with the path of the value.
--envoy looks for what would let requests pass unverified: no guard behind the
plugin, FAIL_OPEN, filters switched off on routes, paths that are not
normalized, a controller that anyone could replace; docs/check.md has all.
Whether Envoy takes the file at all, `envoy --mode validate -c FILE` tells.
Exit status: 0 when all is well or for warnings only, 64 when not; with
--strict warnings count too.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_teaches() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        let help = command.render_help().to_string();
        for word in [
            "run",
            "dev",
            "token",
            "status",
            "revoke",
            "check",
            "schema",
            "explain",
            "Examples:",
            "Exit status",
        ] {
            assert!(help.contains(word), "{word}");
        }
        for variable in config::VARIABLES {
            assert!(RUN_HELP.contains(variable.name), "{}", variable.name);
        }
        assert!(RUN_HELP.contains(config::DEFAULT_SERVER_SOCKET));
        // Wider lines are folded on a common terminal, and a folded command cannot be copied.
        for help in [EXAMPLES, RUN_HELP, STATUS_HELP, CHECK_HELP, schema::HELP, explain::HELP, revoke::HELP] {
            assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        }
    }
}
