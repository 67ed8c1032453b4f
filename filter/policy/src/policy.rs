mod doubts;

pub use doubts::{Doubt, DoubtKind, Doubts};

// Not the hash of the standard library: keys are those of the configuration, so that who calls cannot make them collide.
use hashbrown::HashMap;

use svidgate_jwt_svid::Segments;

use crate::host::{Host, HostPattern};
use crate::path::{Path, PathPattern};
use crate::rule::{GrpcMethods, Match, Rule};

/// An ordered list of rules, compiled so that finding the first one that matches does not grow with their number: by
/// host, then along the path's segments, then by method.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    exact: HashMap<Host, Node>,
    below: HashMap<Host, Node>,
    any: Node,
}

/// What rules are matched against.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Host, already read into its one form.
    pub host: &'a Host,
    /// HTTP method as it was sent; methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a str,
    /// Path, already read into its one form; none for `CONNECT`.
    pub path: Option<&'a Path>,
    /// Whether the connection has a peer with an identity.
    pub mtls: bool,
}

/// Rules along one way of path segments.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The least position of all rules here and further along; it is the first one that was added.
    least: Option<usize>,
    literal: HashMap<String, Node>,
    wildcard: Option<Box<Node>>,
    exact: Ending,
    below: Ending,
    /// Rules without a path, which alone are about a request that has none.
    pathless: Ending,
}

/// Positions of the first rules that end here, for requests with a peer's identity and without.
#[derive(Clone, Debug, Default)]
struct Ending {
    with_peer: Methods,
    without_peer: Methods,
}

/// Positions of the first rules for a method and for any.
#[derive(Clone, Debug, Default)]
struct Methods {
    by_method: HashMap<String, usize>,
    any_method: Option<usize>,
}

impl Policy {
    /// Compiles the rules, in their order.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut policy =
            Self { rules: Vec::new(), exact: HashMap::new(), below: HashMap::new(), any: Node::default() };
        for (position, rule) in rules.iter().enumerate() {
            if rule.matches.hosts.is_empty() {
                policy.any.add(rule, position);
            }
            for host in &rule.matches.hosts {
                let node = match host {
                    HostPattern::Exact(host) => policy.exact.entry(host.clone()),
                    HostPattern::Below(host) => policy.below.entry(host.clone()),
                };
                node.or_default().add(rule, position);
            }
        }
        policy.rules = rules;
        policy
    }

    /// The first rule that matches, with its position; no match means deny (checklist P1).
    #[must_use]
    pub fn find(&self, call: &Call<'_>) -> Option<(usize, &Rule)> {
        let below = (!self.below.is_empty()).then(|| call.host.parents());
        let nodes = self
            .exact
            .get(call.host)
            .into_iter()
            .chain(below.into_iter().flatten().filter_map(|parent| self.below.get(&parent)))
            .chain([&self.any]);
        let position = nodes.fold(None, |best, node| node.first(call, best))?;
        self.rules.get(position).map(|rule| (position, rule))
    }

    /// The rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl Node {
    fn add(&mut self, rule: &Rule, position: usize) {
        self.least.get_or_insert(position);
        let Match { paths, grpc, .. } = &rule.matches;
        if paths.is_empty() && grpc.is_empty() {
            self.below.add(&rule.matches, position);
            self.pathless.add(&rule.matches, position);
        }
        for path in paths {
            let (PathPattern::Exact(segments) | PathPattern::Below(segments)) = path;
            let node = self.at(segments.iter().map(Option::as_deref), position);
            match path {
                PathPattern::Exact(_) => node.exact.add(&rule.matches, position),
                PathPattern::Below(_) => node.below.add(&rule.matches, position),
            }
        }
        for GrpcMethods { service, methods } in grpc {
            if methods.is_empty() {
                self.at([Some(service.as_str()), None], position).exact.add(&rule.matches, position);
            }
            for method in methods {
                self.at([Some(service.as_str()), Some(method)], position).exact.add(&rule.matches, position);
            }
        }
    }

    fn at<'s>(&mut self, segments: impl IntoIterator<Item = Option<&'s str>>, position: usize) -> &mut Self {
        let mut node = self;
        for segment in segments {
            node = match segment {
                Some(literal) => node.literal.entry(literal.to_owned()).or_default(),
                None => node.wildcard.get_or_insert_default(),
            };
            node.least.get_or_insert(position);
        }
        node
    }

    /// The lesser of `best` and the first rule here.
    fn first(&self, call: &Call<'_>, best: Option<usize>) -> Option<usize> {
        match call.path {
            Some(path) => self.along(path.segments(), call, best),
            None => lesser(best, self.pathless.first(call)),
        }
    }

    /// Looks first where the least position is, so that what cannot be before it any more is not looked at.
    fn along(&self, mut rest: Segments<'_>, call: &Call<'_>, best: Option<usize>) -> Option<usize> {
        if !self.may_be_before(best) {
            return best;
        }
        let best = lesser(best, self.below.first(call));
        let Some(segment) = rest.next() else {
            return lesser(best, self.exact.first(call));
        };
        let mut next = [self.literal.get(segment), self.wildcard.as_deref()];
        if let [Some(literal), Some(wildcard)] = next
            && wildcard.least < literal.least
        {
            next.reverse();
        }
        next.into_iter().flatten().fold(best, |best, node| node.along(rest, call, best))
    }

    fn may_be_before(&self, best: Option<usize>) -> bool {
        self.least.is_some_and(|least| best.is_none_or(|best| least < best))
    }
}

fn lesser(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one.into_iter().chain(other).min()
}

impl Ending {
    fn add(&mut self, matches: &Match, position: usize) {
        if matches.mtls != Some(false) {
            self.with_peer.add(&matches.methods, position);
        }
        if matches.mtls != Some(true) {
            self.without_peer.add(&matches.methods, position);
        }
    }

    fn first(&self, call: &Call<'_>) -> Option<usize> {
        let methods = if call.mtls { &self.with_peer } else { &self.without_peer };
        methods.first(call.method)
    }
}

impl Methods {
    fn add(&mut self, methods: &[String], position: usize) {
        if methods.is_empty() {
            self.any_method.get_or_insert(position);
        }
        for method in methods {
            self.by_method.entry(method.clone()).or_insert(position);
            if method == "GET" {
                self.by_method.entry("HEAD".to_owned()).or_insert(position);
            }
        }
    }

    fn first(&self, method: &str) -> Option<usize> {
        self.by_method.get(method).copied().into_iter().chain(self.any_method).min()
    }
}

#[cfg(test)]
mod tests;
