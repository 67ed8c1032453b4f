use super::node::{Node, Typed, message};

/// What one file has in it, in whatever form Envoy or a control plane writes it.
#[derive(Debug, Default)]
pub(super) struct Resources<'a> {
    pub(super) bootstrap: Option<Node<'a>>,
    pub(super) listeners: Vec<Node<'a>>,
    pub(super) clusters: Vec<Node<'a>>,
    pub(super) routes: Vec<Node<'a>>,
    /// `TypedExtensionConfig`: what ECDS delivers.
    pub(super) extensions: Vec<Node<'a>>,
    /// Connection managers that stand alone.
    pub(super) managers: Vec<Node<'a>>,
    /// Set when listeners come from elsewhere than the file.
    pub(super) awaits_listeners: Option<Node<'a>>,
    /// Whether each cluster that Envoy will know is among them.
    pub(super) all_clusters: bool,
}

impl<'a> Resources<'a> {
    /// Reads a bootstrap, a discovery response, a single resource, a list of them, or a dump of the admin interface;
    /// nothing when it is none of these.
    pub(super) fn of(root: &Node<'a>) -> Option<Self> {
        let mut found = Self::default();
        found.add(root);
        let lists = [&found.listeners, &found.clusters, &found.routes, &found.extensions, &found.managers];
        (found.bootstrap.is_some() || lists.iter().any(|list| !list.is_empty())).then_some(found)
    }

    /// Everything that is in force, each once: where Wasm plugins may stand.
    pub(super) fn everything(&self) -> impl Iterator<Item = &Node<'a>> {
        let lists = [&self.listeners, &self.clusters, &self.extensions, &self.managers];
        lists.into_iter().flatten()
    }

    fn add(&mut self, node: &Node<'a>) {
        if node.value().is_array() {
            return node.items().iter().for_each(|item| self.add(item));
        }
        match node.get("@type").and_then(|url| url.text()) {
            Some(url) => self.add_typed(message(url), node),
            None => self.add_by_shape(node),
        }
    }

    fn add_typed(&mut self, name: &str, node: &Node<'a>) {
        match name.rsplit('.').next().unwrap_or(name) {
            "Listener" => self.listeners.push(node.clone()),
            "Cluster" => self.clusters.push(node.clone()),
            "RouteConfiguration" => self.routes.push(node.clone()),
            "TypedExtensionConfig" => self.add_extension(node),
            "HttpConnectionManager" => self.managers.push(node.clone()),
            "Bootstrap" => self.add_bootstrap(node),
            "Resource" => self.add_inner(node, &["resource"]),
            "BootstrapConfigDump" => self.bootstrap = node.get("bootstrap"),
            "ListenersConfigDump" => {
                for list in ["static_listeners", "dynamic_listeners"] {
                    node.list(list).iter().for_each(|item| self.add_inner(item, LISTENER));
                }
            }
            "ClustersConfigDump" => {
                for list in ["static_clusters", "dynamic_active_clusters", "dynamic_warming_clusters"] {
                    node.list(list).iter().for_each(|item| self.add_inner(item, &["cluster"]));
                }
                self.all_clusters = true;
            }
            "RoutesConfigDump" => {
                for list in ["static_route_configs", "dynamic_route_configs"] {
                    node.list(list).iter().for_each(|item| self.add_inner(item, &["route_config"]));
                }
            }
            "EcdsConfigDump" => {
                node.list("ecds_filters").iter().for_each(|item| self.add_inner(item, &["ecds_filter"]));
            }
            // What `/config_dump?resource=…` gives.
            "StaticListener" | "DynamicListener" => self.add_inner(node, LISTENER),
            "StaticCluster" | "DynamicCluster" => self.add_inner(node, &["cluster"]),
            "StaticRouteConfig" | "DynamicRouteConfig" => self.add_inner(node, &["route_config"]),
            "EcdsFilterConfig" => self.add_inner(node, &["ecds_filter"]),
            _ => {}
        }
    }

    fn add_by_shape(&mut self, node: &Node<'a>) {
        let has = |names: &[&str]| names.iter().any(|name| node.has(name));
        if let Some(configs) = node.get("configs") {
            self.add_dump(&configs);
        } else if has(&["static_resources", "dynamic_resources", "admin"]) {
            self.add_bootstrap(node);
        } else if let Some(resources) = node.get("resources") {
            self.add(&resources);
        } else if has(&["resource"]) {
            self.add_inner(node, &["resource"]);
        } else if has(&["filter_chains", "default_filter_chain", "api_listener"]) {
            self.listeners.push(node.clone());
        } else if has(&["http_filters"]) {
            self.managers.push(node.clone());
        } else if has(&["virtual_hosts"]) {
            self.routes.push(node.clone());
        } else if has(&["typed_config"]) {
            self.add_extension(node);
        } else if has(&["load_assignment", "connect_timeout", "eds_cluster_config"]) {
            self.clusters.push(node.clone());
        }
    }

    fn add_bootstrap(&mut self, node: &Node<'a>) {
        self.listeners.extend(node.list("static_resources.listeners"));
        self.clusters.extend(node.list("static_resources.clusters"));
        self.all_clusters = !node.has("dynamic_resources.cds_config");
        self.awaits_listeners = node.at("dynamic_resources.lds_config");
        self.bootstrap = Some(node.clone());
    }

    /// A dump shows static listeners and clusters twice: in the bootstrap, and in their own section. The sections
    /// count; where one is missing, as in a dump of a single section, the bootstrap does.
    fn add_dump(&mut self, configs: &Node<'a>) {
        self.add(configs);
        let Some(bootstrap) = self.bootstrap.clone() else { return };
        if self.listeners.is_empty() {
            self.listeners = bootstrap.list("static_resources.listeners");
        }
        if self.clusters.is_empty() {
            self.clusters = bootstrap.list("static_resources.clusters");
        }
    }

    fn add_inner(&mut self, node: &Node<'a>, places: &[&str]) {
        places.iter().filter_map(|place| node.at(place)).for_each(|inner| self.add(&inner));
    }

    /// A network filter has the same shape; its connection manager is what counts.
    fn add_extension(&mut self, node: &Node<'a>) {
        let Some(typed) = node.get("typed_config").and_then(|any| Typed::of(&any)) else { return };
        if typed.is(super::listener::MANAGER) {
            self.managers.push(typed.config);
        } else {
            self.extensions.push(node.clone());
        }
    }
}

/// The listener that is in force and the one about to be; one that drains takes no connections.
const LISTENER: &[&str] = &["listener", "active_state.listener", "warming_state.listener"];

/// The files of one run. What one of them takes from xDS is looked for in the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a, 's> {
    pub(super) own: &'s Resources<'a>,
    pub(super) all: &'s [Resources<'a>],
}

/// Where something was found.
#[derive(Debug)]
pub(super) enum Lookup<'a> {
    Found(Node<'a>),
    /// Envoy will not know it.
    Missing,
    /// Envoy may get it from somewhere that was not given.
    NotGiven,
}

impl<'a> Scope<'a, '_> {
    pub(super) fn cluster(&self, name: &str) -> Lookup<'a> {
        if let Some(cluster) = named(&self.own.clusters, "name", name) {
            return Lookup::Found(cluster);
        }
        if self.own.all_clusters {
            return Lookup::Missing;
        }
        match self.all.iter().find_map(|file| named(&file.clusters, "name", name)) {
            Some(cluster) => Lookup::Found(cluster),
            None => Lookup::NotGiven,
        }
    }

    pub(super) fn routes(&self, name: &str) -> Option<Node<'a>> {
        self.files().find_map(|file| named(&file.routes, "name", name))
    }

    /// The configuration that ECDS delivers under this name.
    pub(super) fn extension(&self, name: &str) -> Option<Node<'a>> {
        self.files().find_map(|file| named(&file.extensions, "name", name))?.get("typed_config")
    }

    fn files(&self) -> impl Iterator<Item = &Resources<'a>> {
        std::iter::once(self.own).chain(self.all)
    }
}

fn named<'a>(nodes: &[Node<'a>], field: &str, name: &str) -> Option<Node<'a>> {
    nodes.iter().find(|node| node.string(field) == name).cloned()
}
