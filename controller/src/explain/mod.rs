//! `svidgate explain`: why a token is refused, by the filter's own code.
//!
//! The steps, their order and their verdicts are those of [`svidgate_jwt_svid::Verifier::explain`], which is the way
//! that the filter takes. This module only brings the token, the keys and the demands to it and puts the outcome into
//! words. It shows claims, never the signature, and lets nothing of the token act on a terminal.

mod advice;
mod demands;
mod detail;
mod keys;
mod report;
mod rules;
mod text;
pub(crate) mod token;
mod when;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use svidgate_jwt_svid::{TrustDomain, UnixTime};

use crate::cli::Failure;
use crate::{clock, printable};
use report::{Report, Verdict};
use rules::{AtHand, Request, RulesReport, Says};
use svidgate_policy::Settings;

/// Arguments of `svidgate explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The token; without it or with `-`, standard input. An argument shows in the list of processes and in the
    /// shell's history.
    token: Option<String>,
    /// Keys from a file: a JWKS or a SPIFFE bundle document.
    #[arg(long, value_name = "FILE", requires = "trust_domain")]
    bundle: Option<PathBuf>,
    /// Whose keys those are.
    #[arg(long, value_name = "NAME", requires = "bundle", value_parser = TrustDomain::parse)]
    trust_domain: Option<TrustDomain>,
    /// Keys from a Workload API: a path, unix:///path or tcp://IP:PORT [default: $SPIFFE_ENDPOINT_SOCKET]
    #[arg(long, conflicts_with = "bundle", value_parser = crate::token::endpoint)]
    socket: Option<String>,
    /// For whom the token should be; may be repeated.
    #[arg(long)]
    audience: Vec<String>,
    /// The moment to judge it at: seconds since 1970 or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    at: Option<UnixTime>,
    /// Tolerance on times, such as 5s [default: the plugin's, which is 5s unless set]
    #[arg(long, value_name = "DURATION", value_parser = demands::skew)]
    skew: Option<u64>,
    /// The plugin's configuration: its audiences, algorithms, skew and size limit count.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// With --plugin and --path: the host of a request; the rule that decides it is shown, and how it decides.
    #[arg(long, requires_all = ["plugin", "path"], conflicts_with = "audience")]
    host: Option<String>,
    /// The request's method [default: GET]
    #[arg(long, requires = "host")]
    method: Option<String>,
    /// The request's path, with its query if it has one.
    #[arg(long, requires = "host")]
    path: Option<String>,
    /// The whole report as JSON.
    #[arg(long)]
    json: bool,
}

/// Examples, and what the exit status means.
pub const HELP: &str = "\
Examples:
  svidgate explain --plugin plugin.json < token
  pbpaste | svidgate explain --audience backend.example.org
  svidgate explain --plugin plugin.json --host api.example.org --method POST \\
    --path /v1/orders < token
  svidgate explain --bundle bundle.json --trust-domain example.org \\
    --audience backend.example.org --at 2026-01-31T12:00:00Z --json < token

An `Authorization: Bearer …` line is taken as well as a bare token.
The signature is never shown, the token never repeated as a whole.

With a request the verdict is that of the rule that decides it, over a
connection without mTLS; revocation and staleness are not judged.

Exit status: 0 valid, 2 refused, 3 nothing wrong was found but the audience
or the mTLS peer was not checked, 64 wrong arguments, 1 anything else.";

/// Reads everything, explains, prints; the exit status is the verdict.
///
/// # Errors
/// [`Failure::Status`] for a token that is not proved valid; others when there was nothing to explain it with.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let demands = demands::Demands::new(args.plugin.as_deref(), &args.audience, args.skew)?;
    let keys = keys::Keys::load(args)?;
    let token = token::read(args.token.as_deref())?;
    let now = args.at.unwrap_or_else(|| UnixTime(clock::unix_millis() / 1000));

    let mut report = Report::new(&token, &keys, &demands, now)?;
    report.rules = rules(args, &token.bytes, &keys, &demands, now)?;
    let shown = if args.json { report.json()? } else { text::render(&report) };
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{shown}").and_then(|()| stdout.flush()) {
        // The reader, such as `head`, has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(Failure::Other(anyhow::Error::new(error).context("standard output")));
        }
        _ => {}
    }
    let decided =
        report.rules.as_ref().filter(|rules| rules.of_request).and_then(|rules| rules.rules.first());
    match decided.map(|line| (line.verdict, line.audited)) {
        Some((Says::Passes, _) | (_, true)) => return Ok(()),
        Some((Says::Refused, false)) => return Err(Failure::Status(2)),
        Some((Says::NotJudged, false)) => return Err(Failure::Status(3)),
        None => {}
    }
    match report.verdict {
        Verdict::Valid => Ok(()),
        Verdict::Refused => Err(Failure::Status(2)),
        Verdict::AudienceNotChecked => Err(Failure::Status(3)),
    }
}

/// What the plugin's rules say; none without a plugin, or where --audience stands in for their audiences.
fn rules(
    args: &ExplainArgs,
    token: &[u8],
    keys: &keys::Keys,
    demands: &demands::Demands,
    now: UnixTime,
) -> Result<Option<RulesReport>, Failure> {
    let Some(settings) = demands.settings.as_deref().filter(|_| args.audience.is_empty()) else {
        return Ok(None);
    };
    let settings = Settings { clock_skew: demands.clock_skew, ..settings.clone() };
    let verifier = demands.verifier(token).map_err(Failure::Other)?;
    let at_hand = AtHand { keys, verifier, token, now };
    Ok(Some(match (&args.host, &args.path) {
        (Some(host), Some(path)) => {
            let method = args.method.as_deref().unwrap_or("GET");
            at_hand.of_request(&settings, &Request { host, method, path })
        }
        _ => at_hand.of_all(&settings),
    }))
}

impl Report {
    fn json(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self).context("the report").map_err(Failure::Other)?;
        Ok(printable::json(&text))
    }
}

#[cfg(test)]
mod tests;
