//! Look-ups in the compiled policy for patterns instead of requests.

use super::super::{Ending, Methods, Node, Policy};
use super::way::{Way, ancestors};
use crate::host::HostPattern;
use crate::path::PathPattern;

/// Steps that may still be taken. Wildcards and literals side by side at each segment double the ways at each, so that
/// a look-up of a pattern, as one of a path, can come through all of them.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new() -> Self {
        Self(MAX_STEPS)
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0 == 0
    }

    fn step(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        !self.is_spent()
    }
}

/// An earlier rule that is about requests of a way too.
#[derive(Debug)]
pub(super) struct Met<'r> {
    pub(super) earlier: usize,
    /// The requests that both are about.
    pub(super) way: Way<'r>,
    /// Whether the later one is closer by host or path.
    pub(super) closer: bool,
    /// Whether the earlier one is about all methods of the later one's way; of hosts and paths it is then too.
    pub(super) covered: bool,
}

impl Policy {
    /// The first rule that is about every request of this way.
    pub(super) fn covering(&self, way: &Way<'_>, budget: &mut Budget) -> Option<usize> {
        let nodes = self.nodes(way.host);
        let found = nodes.into_iter().filter_map(|(node, _)| match &way.path {
            None => node.pathless.for_peer(way.with_peer).first_for(way.method),
            Some(PathPattern::Exact(segments)) => node.covering(segments, false, way, budget),
            Some(PathPattern::Below(segments)) => node.covering(segments, true, way, budget),
        });
        found.min()
    }

    /// The first rules of each pattern before `position` that are about requests of this way, as far as the way is not
    /// the wider one by host or path.
    pub(super) fn meeting<'r>(&'r self, way: &Way<'r>, position: usize, budget: &mut Budget) -> Vec<Met<'r>> {
        let Some(path) = &way.path else { return Vec::new() };
        let (PathPattern::Exact(segments) | PathPattern::Below(segments)) = path;
        let is_below = matches!(path, PathPattern::Below(_));
        let mut walk = Walk { way, is_below, host_is_closer: false, position, met: Vec::new(), budget };
        for (node, host_is_closer) in self.nodes(way.host) {
            walk.host_is_closer = host_is_closer;
            walk.go(node, &mut Vec::new(), segments, false);
        }
        walk.met
    }

    /// Where rules stand that are about every host of the pattern, and whether it is narrower than theirs.
    fn nodes(&self, host: Option<&HostPattern>) -> Vec<(&Node, bool)> {
        let mut nodes = vec![(&self.any, host.is_some())];
        let (exact, below) = match host {
            None => return nodes,
            Some(HostPattern::Exact(host)) => (self.exact.get(host), (host, 1)),
            Some(HostPattern::Below(host)) => (None, (host, 0)),
        };
        nodes.extend(exact.map(|node| (node, false)));
        let (host, skip) = below;
        for (height, ancestor) in ancestors(host).enumerate().skip(skip) {
            nodes.extend(self.below.get(&ancestor).map(|node| (node, height > 0)));
        }
        nodes
    }
}

impl Node {
    fn covering(
        &self,
        segments: &[Option<String>],
        is_below: bool,
        way: &Way<'_>,
        budget: &mut Budget,
    ) -> Option<usize> {
        if !budget.step() {
            return None;
        }
        let first = |ending: &Ending| ending.for_peer(way.with_peer).first_for(way.method);
        let here = first(&self.below);
        let deeper = match segments.split_first() {
            None if is_below => None,
            None => first(&self.exact),
            Some((segment, rest)) => {
                let literal = segment.as_ref().and_then(|literal| self.literal.get(literal));
                let nodes = [literal, self.wildcard.as_deref()].into_iter().flatten();
                nodes.filter_map(|node| node.covering(rest, is_below, way, budget)).min()
            }
        };
        here.into_iter().chain(deeper).min()
    }
}

/// Along the patterns that have paths in common with that of a way.
struct Walk<'w, 'r, 'b> {
    way: &'w Way<'r>,
    is_below: bool,
    host_is_closer: bool,
    position: usize,
    met: Vec<Met<'r>>,
    budget: &'b mut Budget,
}

impl<'r> Walk<'_, 'r, '_> {
    /// `common` are the segments that both have so far; `closer`, whether they differed, and the way said more there.
    fn go(
        &mut self,
        node: &'r Node,
        common: &mut Vec<Option<String>>,
        rest: &[Option<String>],
        closer: bool,
    ) {
        if !self.budget.step() {
            return;
        }
        let ends_alike = rest.is_empty() && self.is_below;
        self.see(&node.below, common, rest, self.is_below, closer || !ends_alike);
        match rest.split_first() {
            None if !self.is_below => self.see(&node.exact, common, &[], false, closer),
            // Where nothing differed so far, what is deeper is closer than the way.
            None if closer => {
                self.see(&node.exact, common, &[], false, closer);
                self.enter_all(node, common, &[]);
            }
            None => {}
            Some((Some(literal), rest)) => {
                if let Some(node) = node.literal.get(literal) {
                    self.enter(node, common, Some(literal), rest, closer);
                }
                if let Some(node) = node.wildcard.as_deref() {
                    self.enter(node, common, Some(literal), rest, true);
                }
            }
            Some((None, rest)) if closer => self.enter_all(node, common, rest),
            Some((None, rest)) => {
                if let Some(node) = node.wildcard.as_deref() {
                    self.enter(node, common, None, rest, closer);
                }
            }
        }
    }

    fn enter_all(&mut self, node: &'r Node, common: &mut Vec<Option<String>>, rest: &[Option<String>]) {
        for (literal, node) in &node.literal {
            self.enter(node, common, Some(literal), rest, true);
        }
        if let Some(node) = node.wildcard.as_deref() {
            self.enter(node, common, None, rest, true);
        }
    }

    fn enter(
        &mut self,
        node: &'r Node,
        common: &mut Vec<Option<String>>,
        segment: Option<&String>,
        rest: &[Option<String>],
        closer: bool,
    ) {
        common.push(segment.cloned());
        self.go(node, common, rest, closer);
        common.pop();
    }

    fn see(
        &mut self,
        ending: &'r Ending,
        common: &[Option<String>],
        rest: &[Option<String>],
        is_below: bool,
        closer: bool,
    ) {
        let methods = ending.for_peer(self.way.with_peer);
        let closer = closer || self.host_is_closer;
        let mut see = |earlier: usize, method: Option<&'r str>, covered: bool| {
            if earlier < self.position && self.budget.step() {
                let segments = [common, rest].concat();
                let path = if is_below { PathPattern::Below(segments) } else { PathPattern::Exact(segments) };
                let way = Way { path: Some(path), method, ..self.way.clone() };
                self.met.push(Met { earlier, way, closer, covered });
            }
        };
        if let Some(earlier) = methods.any_method {
            see(earlier, self.way.method, true);
        }
        match self.way.method {
            Some(method) => {
                if let Some(earlier) = methods.by_method.get(method) {
                    see(*earlier, Some(method), true);
                }
            }
            None => {
                for (method, earlier) in &methods.by_method {
                    see(*earlier, Some(method), false);
                }
            }
        }
    }
}

impl Ending {
    fn for_peer(&self, with_peer: bool) -> &Methods {
        if with_peer { &self.with_peer } else { &self.without_peer }
    }
}

impl Methods {
    fn first_for(&self, method: Option<&str>) -> Option<usize> {
        match method {
            Some(method) => self.first(method),
            None => self.any_method,
        }
    }
}

/// Some seconds at most; 10,000 rules that differ by host, path or gRPC method take some ten thousand.
const MAX_STEPS: usize = 2_000_000;
