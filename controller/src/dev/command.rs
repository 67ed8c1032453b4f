//! `svidgate dev …` on the command line.

mod operate;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;
use svidgate_jwt_svid::{SpiffeId, TrustDomain};

use super::entry::Entry;
use super::issuer::Phase;
use super::key::KeyType;
use super::server::admin_socket_beside;
use crate::workload_api::{SOCKET_ENV, socket_path};

/// A SPIFFE trust domain in one process, for development only.
#[derive(Debug, Subcommand)]
pub enum DevCommand {
    /// Run a trust domain: issuer and SPIFFE Workload API on a socket, until Ctrl-C
    ///
    /// NOT FOR PRODUCTION: it attests nobody (whoever may open the socket gets every identity) and keeps its keys in
    /// memory only.
    Run(RunArgs),
    /// Change the signing key; tokens of the old one stay good until it is revoked
    ///
    /// Without --phase the new key is published, verifiers get --settle to learn it, then it signs.
    Rotate(RotateArgs),
    /// Take keys out of the bundle, so that their tokens are refused from now on
    ///
    /// Every old key without --kid. If the active key is revoked, a new one becomes active first.
    Revoke(RevokeArgs),
    /// Show keys, trust domains and registered identities
    Status(StatusArgs),
    /// Sign a JWT-SVID of any identity, lifetime and age: for tests of what a verifier refuses
    Mint(MintArgs),
}

/// `svidgate dev run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Name of the trust domain
    #[arg(long, default_value = "example.org", value_parser = TrustDomain::parse)]
    trust_domain: TrustDomain,
    /// Where to serve the Workload API: a path, or unix:///path
    #[arg(long, value_parser = socket_path)]
    socket: PathBuf,
    /// Permissions of the Workload API's socket, in octal; 0660 admits the group
    #[arg(long, default_value = "0600", value_parser = mode)]
    socket_mode: u32,
    /// Where rotate, revoke, status and mint connect [default: the Workload API's path with .admin behind it]
    #[arg(long, value_parser = socket_path)]
    admin_socket: Option<PathBuf>,
    /// The identity that a caller gets first [default: spiffe://TRUST_DOMAIN/client]
    #[arg(long, value_name = "ENTRY")]
    default_spiffe_id: Option<Entry>,
    /// A further identity for every caller: SPIFFE_ID or SPIFFE_ID,hint=TEXT; may be repeated
    #[arg(long = "entry", value_name = "ENTRY")]
    entries: Vec<Entry>,
    /// A foreign trust domain whose bundle is served beside; may be repeated
    #[arg(long, value_name = "TRUST_DOMAIN", value_parser = TrustDomain::parse)]
    federated: Vec<TrustDomain>,
    /// How long a JWT-SVID lives
    #[arg(long, default_value = "5m", value_parser = lifetime)]
    ttl: Duration,
    /// Kind of the first signing keys; `rotate --key-type` changes it later
    #[arg(long, value_enum, default_value_t)]
    key_type: KeyType,
    /// Print `export SPIFFE_ENDPOINT_SOCKET=…` on standard output once it serves
    #[arg(long)]
    spiffe_endpoint_env: bool,
}

/// `svidgate dev rotate`
#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    of: OfDomain,
    /// Only this step
    #[arg(long, value_enum)]
    phase: Option<Phase>,
    /// Kind of the new key [default: as the active one]
    #[arg(long, value_enum)]
    key_type: Option<KeyType>,
    /// How long verifiers are given to learn the new key before it signs
    #[arg(long, default_value = "1s", value_parser = settle, conflicts_with = "phase")]
    settle: Duration,
}

/// `svidgate dev revoke`
#[derive(Debug, Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    of: OfDomain,
    /// This key, in whatever state
    #[arg(long, conflicts_with = "all_old")]
    kid: Option<String>,
    /// Every key that no longer signs (the default)
    #[arg(long)]
    all_old: bool,
}

/// `svidgate dev status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    target: Target,
}

/// `svidgate dev mint`
#[derive(Debug, Args)]
pub struct MintArgs {
    #[command(flatten)]
    target: Target,
    /// The identity: in the own or in a federated trust domain, registered or not
    #[arg(long, value_parser = SpiffeId::parse)]
    spiffe_id: SpiffeId,
    /// For whom the token is meant; may be repeated
    #[arg(long, required = true)]
    audience: Vec<String>,
    /// How long the token lives [default: as for workloads]
    #[arg(long, value_parser = lifetime)]
    ttl: Option<Duration>,
    /// How long ago it claims to have been made; more than --ttl gives an expired token
    #[arg(long, default_value = "0s", value_parser = settle)]
    issued_ago: Duration,
}

/// Which running `svidgate dev` is meant.
#[derive(Debug, Args)]
struct Target {
    /// Admin socket of the running `svidgate dev` [default: as beside --socket]
    #[arg(long, env = "SVIDGATE_DEV_ADMIN_SOCKET", value_parser = socket_path)]
    admin_socket: Option<PathBuf>,
    /// Its Workload API socket, when the admin socket is the one beside it
    #[arg(long, env = SOCKET_ENV, value_parser = socket_path)]
    socket: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Which of its trust domains is meant.
#[derive(Debug, Args)]
struct OfDomain {
    /// A federated trust domain [default: the own one]
    #[arg(long, value_parser = TrustDomain::parse)]
    trust_domain: Option<TrustDomain>,
}

/// Runs one of the commands to its end.
pub async fn run(command: DevCommand) -> anyhow::Result<()> {
    match command {
        DevCommand::Run(args) => run::run(args).await,
        DevCommand::Rotate(args) => operate::rotate(args).await,
        DevCommand::Revoke(args) => operate::revoke(args).await,
        DevCommand::Status(args) => operate::status(args).await,
        DevCommand::Mint(args) => operate::mint(args).await,
    }
}

impl Target {
    fn admin_socket(&self) -> anyhow::Result<PathBuf> {
        let beside = || self.socket.as_deref().map(admin_socket_beside);
        self.admin_socket.clone().or_else(beside).ok_or_else(|| {
            anyhow::anyhow!(
                "which `svidgate dev run`? Give --admin-socket, or --socket (or {SOCKET_ENV}) with its Workload API socket"
            )
        })
    }
}

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        // The owner has to be able to connect, and the rest of the world must not.
        Ok(mode) if mode & !0o770 == 0 && mode & 0o600 == 0o600 => Ok(mode),
        _ => {
            Err("expected octal permissions with 6 for the owner and 0 for others, as 0600 or 0660"
                .to_owned())
        }
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    duration(text, Duration::from_secs(1))
}

fn settle(text: &str) -> Result<Duration, String> {
    duration(text, Duration::ZERO)
}

fn duration(text: &str, least: Duration) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    svidgate_config::duration(least..=MOST)(&Value::from(text))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: DevCommand,
    }

    fn parse(line: &str) -> Result<DevCommand, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn the_commands_are_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_socket_may_be_given_as_a_path_or_as_an_address() {
        for socket in ["/run/a.sock", "unix:///run/a.sock", "unix:/run/a.sock"] {
            let DevCommand::Run(args) = parse(&format!("dev run --socket {socket}")).unwrap() else {
                panic!()
            };
            assert_eq!(args.socket, PathBuf::from("/run/a.sock"));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "dev run",
            "dev run --socket tcp:127.0.0.1:1",
            "dev run --socket /s --socket-mode 0666",
            "dev run --socket /s --socket-mode 0060",
            "dev run --socket /s --ttl 0s",
            "dev run --socket /s --trust-domain Example.org",
            "dev run --socket /s --entry spiffe://example.org/a,ttl=1",
            "dev run --socket /s --key-type none",
            "dev rotate --socket /s --phase prepare --settle 1s",
            "dev revoke --socket /s --kid a --all-old",
            "dev mint --socket /s --spiffe-id spiffe://example.org/a",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_admin_socket_is_found_beside_the_workload_api() {
        let DevCommand::Status(args) = parse("dev status --socket unix:///run/a.sock").unwrap() else {
            panic!()
        };
        assert_eq!(args.target.admin_socket().unwrap(), PathBuf::from("/run/a.sock.admin"));
    }
}
