//! `svidgate check --envoy`: finds every svidgate plugin in Envoy's configuration and says what is unsafe around it.
//!
//! It reads JSON and YAML by the names of Envoy's protos and judges only what concerns svidgate; whether Envoy takes
//! a file at all is for `envoy --mode validate` to say.

mod cluster;
mod filter;
mod finding;
mod guard;
mod kinds;
mod listener;
mod manager;
mod mtls;
mod names;
mod node;
mod outgoing;
mod overrides;
mod plugin;
mod read;
mod resources;
mod rules;
mod settings;
mod vm;

use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::Value;

pub(super) use finding::Finding;

use crate::config::ConfigError;
use filter::{WASM, is_svidgate};
use node::{Node, Typed};
use resources::{Resources, Scope};

/// What was found in files that belong to one Envoy.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// In the order of the files, and within each as a reader meets them.
    pub(super) findings: Vec<Finding>,
    /// Files that could not be read.
    pub(super) unread: Vec<ConfigError>,
    /// Plugins whose configuration was seen.
    pub(super) plugins: usize,
}

impl Report {
    /// Reads and checks the files together: what one takes from xDS is looked for in the others.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut unread = Vec::new();
        let mut files: Vec<(String, Value)> = Vec::new();
        for path in paths {
            match read::read(path) {
                Ok(value) => files.push((path.display().to_string(), value)),
                Err(error) => unread.push(error),
            }
        }
        let mut resources = Vec::new();
        for (name, value) in &files {
            match Resources::of(&Node::root(name, value)) {
                Some(found) => resources.push(found),
                None => unread.push(ConfigError::one(name, UNKNOWN)),
            }
        }
        let mut report = Self { unread, ..check(&resources) };
        if report.plugins == 0 && report.unread.is_empty() && !report.findings.iter().any(is_awaited) {
            let root = files.first().map(|(name, value)| Node::root(name, value));
            report
                .findings
                .extend(root.map(|root| Finding::new(kinds::NO_PLUGIN, &root, NO_PLUGIN, NO_PLUGIN_MEND)));
        }
        report
    }

    /// Errors and warnings of one file.
    pub(super) fn count(&self, file: &str) -> (usize, usize) {
        let of_file = self.findings.iter().filter(|finding| finding.file() == file);
        let errors = of_file.clone().filter(|finding| finding.is_error()).count();
        (errors, of_file.count().saturating_sub(errors))
    }
}

/// Doubts about the settings of a plugin in a file of their own.
pub(super) fn of_settings(file: &str, value: &Value, settings: &svidgate_policy::Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    rules::check(&Node::root(file, value), true, settings, &mut findings);
    findings
}

fn check(files: &[Resources<'_>]) -> Report {
    let mut findings = Vec::new();
    let mut plugins = Vec::new();
    for own in files {
        findings.extend(awaited_listeners(own, files));
        plugins.extend(listener::check(Scope { own, all: files }, &mut findings));
        findings.extend(own.bootstrap.as_ref().and_then(admin));
    }
    for own in files {
        plugins.extend(lonely(own, &plugins, &mut findings));
    }
    plugins.extend(outgoing::in_clusters(files, &mut findings));
    vm::check(files, &plugins, &mut findings);
    names::check(&plugins, &mut findings);
    // Two listeners may take the same configuration from ECDS, or the same routes from RDS.
    let mut seen = Vec::new();
    for finding in findings {
        if !seen.contains(&finding) {
            seen.push(finding);
        }
    }
    plugins.dedup_by(|a, b| (a.file, &a.path) == (b.file, &b.path));
    Report { findings: seen, plugins: plugins.len(), ..Report::default() }
}

/// Plugins in an ECDS response whose listeners were not given: they can be checked, but nothing around them.
fn lonely<'a>(own: &Resources<'a>, known: &[Node<'a>], findings: &mut Vec<Finding>) -> Vec<Node<'a>> {
    let mut plugins = Vec::new();
    for extension in &own.extensions {
        let typed =
            extension.get("typed_config").and_then(|any| Typed::of(&any)).filter(|typed| typed.is(WASM));
        let Some(wasm) = typed.and_then(|typed| typed.config.get("config")) else { continue };
        let is_known = known.iter().any(|known| (known.file, &known.path) == (wasm.file, &wasm.path));
        if is_known || !is_svidgate(extension.string("name"), &wasm) {
            continue;
        }
        plugin::check_wasm(&wasm, findings);
        let what = "the listener that this plugin stands in is not in the files given, nor is its guard";
        let mend = "give the bootstrap, LDS response or dump too, with another --envoy";
        findings.push(Finding::new(kinds::NOT_GIVEN, extension, what, mend));
        plugins.push(wasm);
    }
    plugins
}

/// A bootstrap that takes its listeners from LDS says nothing of them. A dump does, and is not asked.
fn awaited_listeners(own: &Resources<'_>, files: &[Resources<'_>]) -> Option<Finding> {
    let lds = own.awaits_listeners.as_ref()?;
    let given = files.iter().any(|file| file.awaits_listeners.is_none() && !file.listeners.is_empty());
    (!given).then(|| {
        let mend = "give the LDS response too, or a dump of the admin interface, with another --envoy";
        Finding::new(kinds::NOT_GIVEN, lds, "listeners arrive over LDS, and cannot be seen", mend)
    })
}

fn admin(bootstrap: &Node<'_>) -> Option<Finding> {
    let address = bootstrap.at("admin.address.socket_address.address")?;
    let text = address.text()?;
    let is_loopback = text.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (!is_loopback).then(|| {
        let what = format!("the admin interface listens on {text:?}");
        Finding::new(kinds::ADMIN_OPEN, &address, what, "write `address: 127.0.0.1`, or use a pipe")
    })
}

fn is_awaited(finding: &Finding) -> bool {
    finding.kind == kinds::NOT_GIVEN
}

const UNKNOWN: &str = "is no configuration of Envoy: expected a bootstrap, an LDS, ECDS, CDS or RDS response or \
                       resource, or the admin interface's /config_dump";
const NO_PLUGIN: &str = "there is no svidgate plugin in the files given";
const NO_PLUGIN_MEND: &str = "a plugin is an HTTP filter of the type envoy.extensions.filters.http.wasm.v3.Wasm whose \
                              name, root_id or file of code contains `svidgate`; envoy/envoy.yaml has one to copy";
