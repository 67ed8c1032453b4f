use std::collections::HashMap;

use crate::host::{Host, HostPattern};
use crate::path::{Path, PathPattern};
use crate::rule::Rule;

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
    /// Path, already read into its one form.
    pub path: &'a Path,
}

/// Rules along one way of path segments.
#[derive(Clone, Debug, Default)]
struct Node {
    literal: HashMap<String, Node>,
    wildcard: Option<Box<Node>>,
    exact: Ending,
    below: Ending,
}

/// Positions of the first rules that end here, for a method and for any.
#[derive(Clone, Debug, Default)]
struct Ending {
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
        let parents = std::iter::successors(call.host.parent(), Host::parent);
        let nodes = self
            .exact
            .get(call.host)
            .into_iter()
            .chain(parents.filter_map(|parent| self.below.get(&parent)))
            .chain([&self.any]);
        let position = nodes.filter_map(|node| node.first(call.path.segments(), call.method)).min()?;
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
        if rule.matches.paths.is_empty() {
            self.below.add(&rule.matches.methods, position);
        }
        for path in &rule.matches.paths {
            let (PathPattern::Exact(segments) | PathPattern::Below(segments)) = path;
            let mut node = &mut *self;
            for segment in segments {
                node = match segment {
                    Some(literal) => node.literal.entry(literal.clone()).or_default(),
                    None => node.wildcard.get_or_insert_default(),
                };
            }
            match path {
                PathPattern::Exact(_) => node.exact.add(&rule.matches.methods, position),
                PathPattern::Below(_) => node.below.add(&rule.matches.methods, position),
            }
        }
    }

    fn first(&self, segments: &[String], method: &str) -> Option<usize> {
        let here = self.below.first(method);
        let deeper = match segments.split_first() {
            None => self.exact.first(method),
            Some((segment, rest)) => [self.literal.get(segment), self.wildcard.as_deref()]
                .into_iter()
                .flatten()
                .filter_map(|node| node.first(rest, method))
                .min(),
        };
        here.into_iter().chain(deeper).min()
    }
}

impl Ending {
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
