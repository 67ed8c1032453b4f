use super::node::{Node, Typed};
use super::resources::Scope;

/// One of a connection manager's HTTP filters.
#[derive(Clone, Debug)]
pub(super) struct Filter<'a> {
    /// Where it is listed.
    pub(super) node: Node<'a>,
    pub(super) name: &'a str,
    /// Where its configuration stands, which may be another file; none when ECDS delivers it and nobody gave it.
    pub(super) body: Option<Typed<'a>>,
    /// The types that ECDS may deliver.
    awaited: Vec<&'a str>,
    /// Whether a matcher decides for which requests it runs.
    pub(super) conditional: bool,
}

impl<'a> Filter<'a> {
    /// The filters of a list, in the order in which requests meet them.
    pub(super) fn list(manager: &Node<'a>, scope: Scope<'a, '_>) -> Vec<Self> {
        manager.list("http_filters").iter().map(|node| Self::read(node, scope)).collect()
    }

    pub(super) fn read(node: &Node<'a>, scope: Scope<'a, '_>) -> Self {
        let name = node.string("name");
        let discovery = node.get("config_discovery");
        let any = match &discovery {
            Some(discovery) => scope.extension(name).or_else(|| discovery.get("default_config")),
            None => node.get("typed_config"),
        };
        let mut body = any.and_then(|any| Typed::of(&any));
        let inner = body
            .as_ref()
            .filter(|typed| typed.is(WITH_MATCHER))
            .and_then(|typed| Typed::of(&typed.config.at("extension_config.typed_config")?));
        let conditional = inner.is_some();
        if conditional {
            body = inner;
        }
        let awaited = discovery.map(|discovery| discovery.list("type_urls")).unwrap_or_default();
        let awaited = awaited.iter().filter_map(Node::text).map(super::node::message).collect();
        Self { node: node.clone(), name, body, awaited, conditional }
    }

    /// Whether it is of this type, or will be.
    pub(super) fn is(&self, name: &str) -> bool {
        match &self.body {
            Some(typed) => typed.is(name),
            None => self.awaited.contains(&name),
        }
    }

    /// Its configuration, when it has this type.
    pub(super) fn config(&self, name: &str) -> Option<&Node<'a>> {
        self.body.as_ref().filter(|typed| typed.is(name)).map(|typed| &typed.config)
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.node.is_true("disabled")
    }

    /// Whether it is an svidgate plugin.
    pub(super) fn is_plugin(&self) -> bool {
        match self.config(WASM).and_then(|wasm| wasm.get("config")) {
            Some(config) => is_svidgate(self.name, &config),
            None => self.body.is_none() && self.is(WASM) && says_svidgate(self.name),
        }
    }
}

/// Whether a Wasm plugin is ours, by what it is called or by where its code comes from. Its `vm_id` alone says so
/// only when nothing else does: another plugin may have taken it.
pub(super) fn is_svidgate(filter: &str, config: &Node<'_>) -> bool {
    let code = ["local.filename", "remote.http_uri.uri"]
        .map(|place| config.string(&format!("vm_config.code.{place}")))
        .join("");
    let names = [filter, config.string("name"), config.string("root_id"), code.as_str()];
    let anonymous = names.iter().skip(1).all(|name| name.is_empty());
    names.iter().any(|name| says_svidgate(name))
        || (anonymous && says_svidgate(config.string("vm_config.vm_id")))
}

fn says_svidgate(text: &str) -> bool {
    text.to_ascii_lowercase().contains("svidgate")
}

pub(super) const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
pub(super) const RBAC: &str = "envoy.extensions.filters.http.rbac.v3.RBAC";
pub(super) const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
pub(super) const SET_FILTER_STATE: &str = "envoy.extensions.filters.http.set_filter_state.v3.Config";
const WITH_MATCHER: &str = "envoy.extensions.common.matching.v3.ExtensionWithMatcher";
