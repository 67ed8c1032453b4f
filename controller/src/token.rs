//! `svidgate token`: a JWT-SVID from any SPIFFE Workload API, for a shell or for `curl`.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde_json::json;
use spiffe::{JwtSvid, SpiffeId, WorkloadApiClient, WorkloadApiError};

use crate::printable::{self, escaped};
use crate::workload_api::{SOCKET_ENV, socket_path};

/// Arguments of `svidgate token`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct TokenArgs {
    /// For whom the token is meant; may be repeated
    #[arg(long, required = true)]
    audience: Vec<String>,
    /// Which of the caller's identities [default: the first one the Workload API gives]
    #[arg(long)]
    spiffe_id: Option<SpiffeId>,
    /// Where the Workload API is: a path, unix:///path or tcp://IP:PORT
    #[arg(long, env = SOCKET_ENV, value_parser = endpoint)]
    socket: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const HELP: &str = "\
Only the token goes to standard output. Whoever has it is the workload until it expires: keep it out of logs.
Example:
  curl -H \"$(svidgate token --audience backend.example.org --format header)\" http://127.0.0.1:10000/";

/// How a token is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The token alone
    #[default]
    Raw,
    /// An object with the token, its SPIFFE ID, audiences, expiry and hint
    Json,
    /// A whole header line: `authorization: Bearer …`
    Header,
}

/// A Workload API that does not answer at all is as good as none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches the token and prints it on standard output.
pub async fn run(args: TokenArgs) -> anyhow::Result<()> {
    let endpoint = args.socket.as_deref().ok_or_else(|| {
        anyhow!(
            "where is the Workload API? Set {SOCKET_ENV} or give --socket (`svidgate dev run` starts one)"
        )
    })?;
    let svid = tokio::time::timeout(TIMEOUT, fetch(endpoint, &args))
        .await
        .map_err(|_| anyhow!("{endpoint}: the Workload API did not answer in {TIMEOUT:?}"))?
        .map_err(|error| explain(error, endpoint, &args))?;
    let text = text(&svid, args.format)?;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).context("standard output")?;
    out.flush().context("standard output")
}

async fn fetch(endpoint: &str, args: &TokenArgs) -> Result<JwtSvid, WorkloadApiError> {
    let client = WorkloadApiClient::connect_to(endpoint).await?;
    client.fetch_jwt_svid(&args.audience, args.spiffe_id.as_ref()).await
}

/// What the error means for the one who typed the command, and what to do about it.
fn explain(error: WorkloadApiError, endpoint: &str, args: &TokenArgs) -> anyhow::Error {
    let advice = match &error {
        WorkloadApiError::NoIdentityIssued | WorkloadApiError::PermissionDenied(_) => match &args.spiffe_id {
            Some(id) => format!(
                "the Workload API gives this process no identity {id}: it needs a registration entry with this \
                 SPIFFE ID whose selectors match the process (SPIRE: `spire-server entry show`; a new entry takes \
                 some seconds to reach the agent)"
            ),
            None => "the Workload API gives this process no identity: it needs a registration entry whose selectors \
                     match the process (SPIRE: `spire-server entry show`; a new entry takes some seconds to reach \
                     the agent)"
                .to_owned(),
        },
        WorkloadApiError::Transport(_) => format!(
            "{endpoint}: is a Workload API running there, and may this user open it? \
             ({SOCKET_ENV} or --socket says where it is)"
        ),
        WorkloadApiError::Endpoint(_) => format!("{endpoint}: no address of a Workload API"),
        _ => format!("{endpoint}: no JWT-SVID"),
    };
    anyhow::Error::new(error).context(advice)
}

fn text(svid: &JwtSvid, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Raw => format!("{}\n", escaped(svid.token())),
        Format::Header => format!("authorization: Bearer {}\n", escaped(svid.token())),
        Format::Json => {
            let expires_at = svid.expiry().unix_timestamp();
            let object = json!({
                "spiffe_id": svid.spiffe_id().to_string(),
                "audience": svid.audience(),
                "expires_at": expires_at,
                "hint": svid.hint(),
                "token": svid.token(),
            });
            format!("{}\n", printable::json(&serde_json::to_string(&object)?))
        }
    })
}

/// The address of a Workload API in its full form, from a path or an address.
pub(crate) fn endpoint(text: &str) -> Result<String, String> {
    let endpoint = if text.starts_with("tcp:") {
        text.to_owned()
    } else {
        format!("unix://{}", socket_path(text)?.display())
    };
    spiffe::transport::Endpoint::parse(&endpoint).map_err(|error| error.to_string())?;
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: TokenArgs,
    }

    fn parse(line: &str) -> Result<TokenArgs, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.args)
    }

    #[test]
    fn an_audience_is_required_and_the_socket_is_an_address() {
        assert!(parse("token --socket /run/a.sock").is_err());
        assert!(parse("token --audience a --socket tcp:localhost:1").is_err());
        let args = parse("token --audience a --audience b --socket /run/a.sock").unwrap();
        assert_eq!(args.audience, ["a", "b"]);
        assert_eq!(args.socket.as_deref(), Some("unix:///run/a.sock"));
        let args = parse("token --audience a --socket tcp://127.0.0.1:1").unwrap();
        assert_eq!(args.socket.as_deref(), Some("tcp://127.0.0.1:1"));
    }

    #[test]
    fn errors_say_what_to_do() {
        let args = parse("token --audience a --spiffe-id spiffe://example.org/x --socket /s").unwrap();
        let text = format!("{:#}", explain(WorkloadApiError::NoIdentityIssued, "unix:///s", &args));
        assert!(text.contains("registration entry") && text.contains("spiffe://example.org/x"), "{text}");
    }

    #[tokio::test]
    async fn a_socket_nobody_listens_on_is_named_together_with_the_ways_to_choose_another() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("none");
        let args = parse(&format!("token --audience a --socket {}", socket.display())).unwrap();
        let text = format!("{:#}", run(args).await.unwrap_err());
        let socket = socket.display().to_string();
        assert!(text.contains(&socket) && text.contains(SOCKET_ENV) && text.contains("--socket"), "{text}");
    }
}
