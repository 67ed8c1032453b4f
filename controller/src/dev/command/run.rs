//! `svidgate dev run`

use std::io::Write as _;
use std::sync::Arc;

use svidgate_jwt_svid::SpiffeId;
use tokio::signal::unix::{SignalKind, signal};

use super::RunArgs;
use crate::dev::entry::Entry;
use crate::dev::issuer::Settings;
use crate::dev::server::{Options, TrustDomainServer, admin_socket_beside};
use crate::workload_api::SOCKET_ENV;

pub(super) async fn run(args: RunArgs) -> anyhow::Result<()> {
    // Watched before anything is announced, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let export = args.spiffe_endpoint_env;
    let server = TrustDomainServer::start(options(args)?).await?;
    std::io::stderr().lock().write_all(banner(&server)?.as_bytes())?;
    if export {
        let mut out = std::io::stdout().lock();
        writeln!(out, "export {SOCKET_ENV}={}", shell_quoted(&server.endpoint()))?;
        out.flush()?;
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}

fn options(args: RunArgs) -> anyhow::Result<Options> {
    let first = match args.default_spiffe_id {
        Some(entry) => entry,
        None => Entry::new(SpiffeId::parse(&format!("spiffe://{}/client", args.trust_domain))?),
    };
    Ok(Options {
        settings: Settings {
            trust_domain: args.trust_domain,
            federated: args.federated,
            entries: std::iter::once(first).chain(args.entries).collect(),
            ttl: args.ttl,
            key_type: args.key_type,
            clock: Arc::new(crate::clock::now),
        },
        admin_socket: args.admin_socket.unwrap_or_else(|| admin_socket_beside(&args.socket)),
        socket: args.socket,
        socket_mode: args.socket_mode,
    })
}

fn banner(server: &TrustDomainServer) -> anyhow::Result<String> {
    let settings = server.issuer().settings();
    let list = |items: Vec<String>| items.join(", ");
    let key = server.issuer().keys(&settings.trust_domain)?;
    let key = key.first().map(|key| format!("{} {}", key.key_type.algorithm(), key.kid));
    Ok(format!(
        "svidgate dev: FOR DEVELOPMENT ONLY, NOT FOR PRODUCTION. Whoever may open the socket gets every identity below;\n\
         keys live in memory only.\n\
         \n  trust domain  {own}\n  federated     {federated}\n  identities    {entries}\n  signing key   {key}\
         \n  token life    {ttl:?}\n  Workload API  {endpoint}\n  admin socket  {admin}\n\
         \nTry:\n  svidgate token --socket {socket} --audience backend.example.org\
         \n  svidgate dev rotate --socket {socket}\n  svidgate dev revoke --socket {socket}\nCtrl-C ends it.\n",
        own = settings.trust_domain,
        federated = if settings.federated.is_empty() {
            "none".to_owned()
        } else {
            list(settings.federated.iter().map(ToString::to_string).collect())
        },
        entries = list(settings.entries.iter().map(|entry| entry.spiffe_id.to_string()).collect()),
        key = key.unwrap_or_default(),
        ttl = settings.ttl,
        endpoint = server.endpoint(),
        admin = server.admin_socket().display(),
        socket = shell_quoted(&server.socket().display().to_string()),
    ))
}

/// As one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:._-".contains(&byte);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn quoting_leaves_plain_words_alone_and_closes_over_the_rest() {
        assert_eq!(shell_quoted("unix:///run/a-b_c.sock"), "unix:///run/a-b_c.sock");
        assert_eq!(shell_quoted("unix:///run/a b"), "'unix:///run/a b'");
        assert_eq!(shell_quoted("a'b;"), r"'a'\''b;'");
    }
}
