use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;
use svidgate_jwt_svid::{SpiffeId, TrustDomain, UnixTime};

use crate::clock;
use crate::config::DEFAULT_ADMIN_SOCKET;
use crate::source::revocations::document::moment;

/// Arguments of `svidgate revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The controller's admin socket (its setting server.admin_socket)
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "SVIDGATE_SERVER_ADMIN_SOCKET",
        default_value = DEFAULT_ADMIN_SOCKET
    )]
    pub(super) admin_socket: PathBuf,
    /// Wait until every Envoy enforces the change; exit status 1 if not by then
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(super) wait: Option<Duration>,
    #[command(subcommand)]
    pub(super) command: RevokeCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RevokeCommand {
    /// Refuse every token that a key signed
    Kid {
        /// The trust domain whose key it is
        #[arg(long)]
        trust_domain: TrustDomain,
        /// Its id, as `svidgate status` shows it
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Refuse one token, read from standard input; it must have `jti` and `exp`
    Token,
    /// Refuse one token by its id
    Jti {
        /// The trust domain of its `sub`
        #[arg(long)]
        trust_domain: TrustDomain,
        /// Its `exp`: seconds since 1970 or RFC 3339. The entry goes by then
        #[arg(long, value_parser = moment_or_now)]
        expires_at: UnixTime,
        /// Its `jti`
        #[arg(allow_hyphen_values = true)]
        jti: String,
    },
    /// Refuse the tokens of a subject that were issued before a moment
    Subject {
        /// The subject
        spiffe_id: SpiffeId,
        /// The moment: `now`, seconds since 1970 or RFC 3339
        #[arg(long, default_value = "now", value_parser = moment_or_now)]
        issued_before: UnixTime,
    },
    /// Show what is revoked
    List {
        /// As JSON, with the part that PUT /v1/revocations takes
        #[arg(long)]
        json: bool,
    },
    /// Take an entry off the list
    Remove {
        #[command(subcommand)]
        entry: Entry,
    },
}

/// An entry that is taken off.
#[derive(Debug, Subcommand)]
pub(super) enum Entry {
    /// Admit tokens of a key again
    Kid {
        /// The trust domain whose key it is
        #[arg(long)]
        trust_domain: TrustDomain,
        /// Its id
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Admit a token again
    Jti {
        /// The trust domain of its `sub`
        #[arg(long)]
        trust_domain: TrustDomain,
        /// Its `jti`
        #[arg(allow_hyphen_values = true)]
        jti: String,
    },
    /// Admit older tokens of a subject again
    Subject {
        /// The subject
        spiffe_id: SpiffeId,
    },
}

/// `now` is the end of this second: what was issued in it so far is refused too, since `iat` says no more than the
/// second.
fn moment_or_now(text: &str) -> Result<UnixTime, String> {
    if text == "now" {
        let second = clock::unix_millis().checked_div(1000).unwrap_or_default();
        return Ok(UnixTime(second.saturating_add(1)));
    }
    let number = text.parse::<u64>().map(Value::from);
    moment(&number.unwrap_or_else(|_| Value::from(text)))
}

fn duration(text: &str) -> Result<Duration, String> {
    svidgate_config::duration(Duration::ZERO..=MAX_WAIT)(&Value::from(text))
}

const MAX_WAIT: Duration = Duration::from_secs(3600);

/// What clap prints after the options.
pub const HELP: &str = "\
Examples:
  A signing key was stolen: refuse all that it signed
    svidgate revoke kid --trust-domain example.org KEY_ID --wait 10s

  A token leaked; it is read from standard input, never from arguments
    svidgate revoke token < token

  A workload was taken over: refuse what was issued to it so far
    svidgate revoke subject spiffe://example.org/ns/shop/sa/cart

  What is revoked, and back again
    svidgate revoke list
    svidgate revoke remove kid --trust-domain example.org KEY_ID

The controller needs the setting server.admin_socket. A change is on its disk
before it is in force, and reaches every Envoy within milliseconds; cached
tokens are refused too. More: docs/revocation.md

Exit status: 0 done, and with --wait enforced by every Envoy; 1 otherwise;
64 wrong arguments.";
