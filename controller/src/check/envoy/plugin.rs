//! The plugin itself: what Envoy is told about it, and its own settings.

use serde_json::Value;
use svidgate_plugin::config::{Config, DEFAULT_CLUSTER};

use super::filter::{Filter, WASM};
use super::finding::Finding;
use super::kinds;
use super::node::Node;
use super::rules;
use super::settings::Settings;

/// An svidgate plugin in a chain of filters.
#[derive(Debug)]
pub(super) struct Plugin<'a> {
    /// Its place in the chain.
    pub(super) index: usize,
    /// Where the filter is listed.
    pub(super) node: Node<'a>,
    pub(super) name: &'a str,
    /// Envoy's `PluginConfig`; none when ECDS delivers it and nobody gave it.
    pub(super) wasm: Option<Node<'a>>,
    /// Its settings as they were written, right or wrong; null when there are none.
    pub(super) settings: Value,
    mark: Option<String>,
}

impl<'a> Plugin<'a> {
    /// The plugins of a chain.
    pub(super) fn list(filters: &[Filter<'a>]) -> Vec<Self> {
        let plugins = filters.iter().enumerate().filter(|(_, filter)| filter.is_plugin());
        plugins.map(|(index, filter)| Self::new(index, filter)).collect()
    }

    fn new(index: usize, filter: &Filter<'a>) -> Self {
        let wasm = filter.config(WASM).and_then(|wasm| wasm.get("config"));
        let settings = wasm.as_ref().map(|wasm| Settings::of(wasm).value).unwrap_or_default();
        let mark = wasm.as_ref().map(|_| match settings.get("name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => format!("{MARK}_{name}"),
            _ => MARK.to_owned(),
        });
        Self { index, node: filter.node.clone(), name: filter.name, wasm, settings, mark }
    }

    /// Whether this filter state is its mark. Of a plugin whose settings are not known any may be.
    pub(super) fn has_mark(&self, key: &str) -> bool {
        match &self.mark {
            Some(mark) => key == mark,
            None => key.starts_with(MARK),
        }
    }

    pub(super) fn mark_or_default(&self) -> &str {
        self.mark.as_deref().unwrap_or(MARK)
    }

    /// Whether it judges callers, and marks those that it lets in. One of a way out does not (`inbound: not_judged`).
    pub(super) fn judges(&self) -> bool {
        self.settings.get("inbound").is_none_or(Value::is_null)
    }

    /// Envoy's cluster that leads to its controller.
    pub(super) fn cluster(&self) -> &str {
        let named = self.settings.get("controller").and_then(|controller| controller.get("cluster"));
        named.and_then(Value::as_str).unwrap_or(DEFAULT_CLUSTER)
    }
}

/// Checks how the filter is listed: that it runs, for every request, whatever happens.
pub(super) fn check_filter(filter: &Filter<'_>, findings: &mut Vec<Finding>) {
    if let Some(node) = filter.node.get("disabled").filter(|_| filter.is_disabled()) {
        let mend = "take `disabled` out; a rule of the plugin with `require: none` lets chosen requests pass";
        findings.push(Finding::new(kinds::PLUGIN_OFF, &node, "the plugin is disabled", mend));
    }
    if let Some(node) = filter.node.get("is_optional").filter(|_| filter.node.is_true("is_optional")) {
        let mend = "take `is_optional` out";
        findings.push(Finding::new(kinds::OPTIONAL, &node, "the plugin is optional", mend));
    }
    if filter.conditional {
        let what = "a matcher decides for which requests the plugin runs";
        let mend = "put the plugin there without a matcher, and let its `rules` tell requests apart";
        findings.push(Finding::new(kinds::PLUGIN_CONDITIONAL, &filter.node, what, mend));
    }
    if filter.body.is_none() {
        let what = format!("the plugin's configuration arrives over ECDS, under the name {:?}", filter.name);
        let mend = "give the ECDS response too, with another --envoy";
        findings.push(Finding::new(kinds::NOT_GIVEN, &filter.node, what, mend));
    }
}

/// Checks Envoy's `PluginConfig` and the settings in it.
pub(super) fn check_wasm(wasm: &Node<'_>, findings: &mut Vec<Finding>) {
    let mut found = |kind, node: Option<Node<'_>>, what: String, mend: &str| {
        findings.push(Finding::new(kind, node.as_ref().unwrap_or(wasm), what, mend));
    };
    let policy = wasm.choice("failure_policy", &["UNSPECIFIED", "FAIL_RELOAD", "FAIL_CLOSED", "FAIL_OPEN"]);
    let reload = "write `failure_policy: FAIL_RELOAD`";
    match policy {
        "FAIL_OPEN" => {
            found(
                kinds::WASM_FAIL_OPEN,
                wasm.get("failure_policy"),
                "failure_policy is FAIL_OPEN".to_owned(),
                reload,
            );
        }
        "FAIL_RELOAD" => {}
        other => {
            let what =
                format!("failure_policy is {}", if other == "UNSPECIFIED" { "not set" } else { other });
            found(kinds::NO_RELOAD, wasm.get("failure_policy"), what, reload);
        }
    }
    if wasm.is_true("fail_open") {
        let mend = "take `fail_open` out, and write `failure_policy: FAIL_RELOAD`";
        found(kinds::WASM_FAIL_OPEN, wasm.get("fail_open"), "fail_open is true".to_owned(), mend);
    }
    if wasm.is_true("vm_config.allow_precompiled") {
        let mend = "write `allow_precompiled: false`";
        found(
            kinds::PRECOMPILED,
            wasm.at("vm_config.allow_precompiled"),
            "precompiled code is allowed".to_owned(),
            mend,
        );
    }
    if wasm.string("vm_config.vm_id").is_empty() {
        let mend = "write `vm_id: svidgate`, and use that id for nothing else";
        found(
            kinds::VM_ID_MISSING,
            wasm.get("vm_config"),
            "the plugin has no vm_id of its own".to_owned(),
            mend,
        );
    }
    check_settings(wasm, findings);
}

fn check_settings(wasm: &Node<'_>, findings: &mut Vec<Finding>) {
    let settings = Settings::of(wasm);
    let at = settings.at.as_ref().unwrap_or(wasm);
    match &settings.text {
        Ok(text) => {
            let parsed = Config::parse(text);
            if let Ok(config) = &parsed {
                rules::check(at, false, &config.settings, findings);
            }
            for error in parsed.err().iter().flat_map(svidgate_config::Errors::iter) {
                let mend = "correct this value; `svidgate check --plugin FILE` checks the settings alone, and \
                    README.md lists them";
                findings.push(Finding::new(kinds::PLUGIN_CONFIG, at, error.to_string(), mend));
            }
        }
        Err(unreadable) => {
            let mend = "give them as a google.protobuf.StringValue, with JSON in `value`";
            findings.push(Finding::new(kinds::PLUGIN_CONFIG, at, unreadable, mend));
        }
    }
    check_mode(at, &settings.value, findings);
}

fn check_mode(at: &Node<'_>, settings: &Value, findings: &mut Vec<Finding>) {
    if settings.get("fail_open").and_then(Value::as_bool) == Some(true) {
        let mend = "take `fail_open` out of the plugin's settings";
        findings.push(Finding::new(kinds::PLUGIN_FAIL_OPEN, at, "fail_open: the plugin fails open", mend));
    }
    let is_audit = |object: &Value| object.get("mode").and_then(Value::as_str) == Some("audit");
    let mut audit = |place: String| {
        let what = format!("{place}: is audit: nothing is refused there");
        let mend = "write `enforce` when the counters show no refusal that you did not expect";
        findings.push(Finding::new(kinds::AUDIT_MODE, at, what, mend));
    };
    if is_audit(settings) {
        audit("mode".to_owned());
    }
    let rules = settings.get("rules").and_then(Value::as_array);
    for (index, _) in rules.into_iter().flatten().enumerate().filter(|(_, rule)| is_audit(rule)) {
        audit(format!("rules[{index}].mode"));
    }
}

/// Filter state that the plugin sets for what it admits; a plugin with a `name` adds it.
pub(super) const MARK: &str = "wasm.svidgate";
