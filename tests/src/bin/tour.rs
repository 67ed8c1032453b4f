//! `make run`: a trust domain, the controller and Envoy on this machine, and a walk through what they do. Every step
//! shows the command or request and the real answer; a wrong answer ends the tour with status 1.
//!
//! Environment: `ONCE=1` ends after the tour instead of waiting for Ctrl-C; `PORT=n` chooses Envoy's port.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use svidgate_tests::{
    AUDIENCE, Address, Bootstrap, CLIENT_ID, Controller, Dev, Envoy, Folder, OTHER_ID, Programs, Request,
    Response, TRUST_DOMAIN, TrustSource as _, Upstream, identities, within,
};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    match tour() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe tour went wrong: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn tour() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut interrupt = runtime.block_on(async { signal(SignalKind::interrupt()) })?;
    let mut terminate = runtime.block_on(async { signal(SignalKind::terminate()) })?;
    let mut ended = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };

    let port = chosen_port()?;
    let walk = runtime.spawn_blocking(move || {
        let stage = Stage::set(port);
        stage.walk().map(|()| stage)
    });
    let stage = runtime.block_on(async {
        tokio::select! {
            walked = walk => walked.context("the tour stopped")?,
            // The processes die with this one; their folder is left to the system's cleaning.
            () = ended() => std::process::exit(130),
        }
    })?;
    if std::env::var("ONCE").is_ok_and(|once| !["", "0"].contains(&once.as_str())) {
        println!("\nAll as it should be.");
        return Ok(());
    }
    stage.print_suggestions();
    runtime.block_on(ended());
    println!("\nStopping.");
    Ok(())
}

/// `PORT`, if it is free; otherwise Envoy takes one itself.
fn chosen_port() -> anyhow::Result<u16> {
    let Ok(text) = std::env::var("PORT") else { return Ok(0) };
    let port: u16 = text.parse().with_context(|| format!("PORT={text:?} is no port number"))?;
    // Envoy would share a port with another Envoy of the same user, so it is asked for in the usual way first.
    let free = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    free.with_context(|| {
        format!("port {port} is taken: choose another, or leave PORT out and Envoy takes a free one")
    })?;
    Ok(port)
}

/// Everything that runs. Fields are dropped in this order.
struct Stage {
    envoy: Envoy,
    controller: Controller,
    dev: Dev,
    upstream: Upstream,
    folder: Folder,
    style: Style,
}

impl Stage {
    fn set(port: u16) -> Self {
        let style = Style { on: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
        println!("{}", style.bold("Starting a trust domain, the controller and Envoy with two workers"));
        let folder = Folder::new();
        let upstream = Upstream::start();
        let dev = Dev::launch(&folder);
        println!("  trust domain {TRUST_DOMAIN:<22} svidgate dev run --socket {}", dev.socket().display());
        let controller = Controller::start(folder.path(), &dev.socket());
        let config = folder.join("controller.yaml");
        println!("  controller                          svidgate run --config {}", config.display());
        let bootstrap =
            Bootstrap::shipped().controller(controller.socket()).service(upstream.address()).ports(port, 0);
        let envoy = Envoy::start("envoy", &bootstrap, folder.path());
        let config = folder.join("envoy.json");
        println!("  Envoy, from envoy/envoy.yaml        envoy -c {} --concurrency 2", config.display());
        println!("  a service that shows what it gets   http://{}", upstream.address());
        Self { envoy, controller, dev, upstream, folder, style }
    }

    fn walk(&self) -> anyhow::Result<()> {
        self.step("No token: refused, with the reason");
        expect(&self.call(None)?, 401, "token_missing")?;

        self.step("A token for another audience: refused, although it is genuine");
        let elsewhere = self.token("TOKEN", "elsewhere.example.org", CLIENT_ID)?;
        expect(&self.call(Some(("TOKEN", &elsewhere)))?, 401, "audience_mismatch")?;

        self.step("Another workload's token: known, but not on the list");
        let other = self.token("TOKEN", AUDIENCE, OTHER_ID)?;
        expect(&self.call(Some(("TOKEN", &other)))?, 403, "caller_not_allowed")?;

        self.step("A good token: let in, and the service learns the SPIFFE ID");
        let old = self.token("OLD", AUDIENCE, CLIENT_ID)?;
        self.admitted(("OLD", &old))?;

        self.step("The trust domain rotates its signing key: old and new tokens are good");
        self.svidgate(&["dev", "rotate"], true)?;
        let new = self.token("NEW", AUDIENCE, CLIENT_ID)?;
        self.admitted(("OLD", &old))?;
        self.admitted(("NEW", &new))?;

        self.step("The old key is revoked: its tokens are void at once, on every worker");
        self.svidgate(&["dev", "revoke"], true)?;
        let revoked = within(Duration::from_secs(5), || {
            let answers: Vec<Response> = self
                .envoy
                .connection_to_each_worker()
                .iter_mut()
                .filter_map(|worker| worker.send(&request(Some(&old))).ok())
                .collect();
            answers.iter().all(|answer| answer.status == 401).then_some(())
        });
        ensure!(revoked.is_some(), "a worker still takes the revoked key");
        expect(&self.call(Some(("OLD", &old)))?, 401, "key_unknown")?;
        self.admitted(("NEW", &new))?;
        Ok(())
    }

    fn print_suggestions(&self) {
        let program = shown(&Programs::svidgate());
        let token = format!("{program} token --socket {} --audience {AUDIENCE}", self.dev.socket().display());
        let url = self.url();
        println!("\n{}", self.style.bold("It goes on running. Try in another terminal:"));
        println!("  curl -i {url} -H \"authorization: Bearer $({token})\"");
        println!(
            "  curl -i {url} -H \"authorization: Bearer $({token})\" -H 'x-spiffe-id: spiffe://example.org/root'"
        );
        println!("  {program} status --socket {}", self.controller.socket().display());
        println!("  {program} dev rotate --socket {}", self.dev.socket().display());
        println!("  curl -s {}/stats | grep svidgate", url_of(self.envoy.admin()));
        println!("  tail -f {}", self.folder.join("envoy.log").display());
        println!("Ctrl-C stops everything.");
    }

    fn step(&self, title: &str) {
        println!("\n{}", self.style.bold(title));
    }

    fn admitted(&self, token: (&str, &str)) -> anyhow::Result<()> {
        let reached = self.upstream.requests();
        let answer = self.call(Some(token))?;
        ensure!(answer.status == 200, "expected 200");
        ensure!(self.upstream.requests() == reached.saturating_add(1), "the service was not reached");
        ensure!(
            identities(&answer) == [CLIENT_ID],
            "the service was given another identity: {:?}",
            identities(&answer)
        );
        println!("  the service was told x-spiffe-id: {CLIENT_ID}");
        Ok(())
    }

    /// Sends a request as curl would. While Envoy still waits for its first bundles it is asked again.
    fn call(&self, token: Option<(&str, &str)>) -> anyhow::Result<Response> {
        let header =
            token.map(|(name, _)| format!(" -H \"authorization: Bearer ${name}\"")).unwrap_or_default();
        println!("  $ curl {}{header}", self.url());
        let request = request(token.map(|(_, token)| token));
        let mut answer = self.envoy.send(&request);
        within(Duration::from_secs(10), || {
            if answer.status == 503 {
                answer = self.envoy.send(&request);
            }
            (answer.status != 503).then_some(())
        });
        let status = answer.status.to_string();
        let (status, body) = if answer.status == 200 {
            (self.style.green(&status), "let in".to_owned())
        } else {
            (self.style.red(&status), answer.text())
        };
        println!("  {status} {body}");
        if let Some(challenge) = answer.header("www-authenticate") {
            println!("  www-authenticate: {challenge}");
        }
        Ok(answer)
    }

    fn token(&self, name: &str, audience: &str, spiffe_id: &str) -> anyhow::Result<String> {
        println!("  $ {name}=$(svidgate token --audience {audience} --spiffe-id {spiffe_id})");
        let token = self.svidgate(&["token", "--audience", audience, "--spiffe-id", spiffe_id], false)?;
        Ok(token.trim().to_owned())
    }

    /// Runs a command of svidgate against the trust domain; shows it and its answer unless that is a token.
    fn svidgate(&self, arguments: &[&str], show: bool) -> anyhow::Result<String> {
        if show {
            println!("  $ svidgate {}", arguments.join(" "));
        }
        let endpoint = format!("unix://{}", self.dev.socket().display());
        let output = Command::new(Programs::svidgate())
            .args(arguments)
            .env("SPIFFE_ENDPOINT_SOCKET", endpoint)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("svidgate {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        if show {
            for line in text.lines() {
                println!("  {line}");
            }
        }
        Ok(text)
    }

    fn url(&self) -> String {
        format!("{}/hello", url_of(self.envoy.listener()))
    }
}

fn request(token: Option<&str>) -> Request {
    let request = Request::get("/hello");
    token.map_or(request.clone(), |token| request.bearer(token))
}

fn expect(answer: &Response, status: u16, reason: &str) -> anyhow::Result<()> {
    ensure!((answer.status, answer.reason().as_str()) == (status, reason), "expected {status} {reason}");
    Ok(())
}

fn url_of(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("http://{address}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// A path as one would type it here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// Colours, where someone sees them.
struct Style {
    on: bool,
}

impl Style {
    fn bold(&self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn green(&self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    fn red(&self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn wrap(&self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
