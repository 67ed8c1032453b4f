use std::fmt;

use crate::host::{Host, HostPattern, HostRef};
use crate::path::PathPattern;
use crate::rule::Match;

/// One way into a rule: requests of one pattern.
#[derive(Clone, Debug)]
pub(super) struct Way<'r> {
    /// None: any.
    pub(super) host: Option<&'r HostPattern>,
    /// None: the requests without a path, which are those of `CONNECT`.
    pub(super) path: Option<PathPattern>,
    /// None: any.
    pub(super) method: Option<&'r str>,
    pub(super) with_peer: bool,
}

impl<'r> Way<'r> {
    /// Every way into a rule; together they are all that it is about.
    pub(super) fn all(matches: &'r Match) -> impl Iterator<Item = Self> {
        let hosts = || one_of(&matches.hosts, |hosts| hosts.iter());
        let peers = [true, false].into_iter().filter(|peer| matches.mtls.is_none_or(|mtls| mtls == *peer));
        let methods = methods(matches);
        let connects = methods.iter().any(|method| method.is_none_or(|method| method == CONNECT));
        let pathless = (any_path(matches) && connects).then_some((None, vec![Some(CONNECT)]));
        let paths = paths(matches).into_iter().map(move |path| (Some(path), methods.clone()));
        paths.chain(pathless).flat_map(move |(path, methods)| {
            let peers = peers.clone();
            hosts().into_iter().flat_map(move |host| {
                let (path, peers) = (path.clone(), peers.clone());
                methods.clone().into_iter().flat_map(move |method| {
                    let path = path.clone();
                    peers.clone().map(move |with_peer| Self { host, path: path.clone(), method, with_peer })
                })
            })
        })
    }
}

/// All of a list; what is empty says nothing, so anything.
fn one_of<'r, T, I: Iterator<Item = &'r T>>(list: &'r [T], iter: fn(&'r [T]) -> I) -> Vec<Option<&'r T>> {
    if list.is_empty() { vec![None] } else { iter(list).map(Some).collect() }
}

fn any_path(matches: &Match) -> bool {
    matches.paths.is_empty() && matches.grpc.is_empty()
}

fn methods(matches: &Match) -> Vec<Option<&str>> {
    if matches.methods.is_empty() {
        return vec![None];
    }
    let named = matches.methods.iter().map(String::as_str);
    let head = matches.methods.iter().any(|method| method == "GET").then_some("HEAD");
    named.chain(head).map(Some).collect()
}

fn paths(matches: &Match) -> Vec<PathPattern> {
    if any_path(matches) {
        return vec![PathPattern::Below(Vec::new())];
    }
    let grpc = matches.grpc.iter().flat_map(|grpc| {
        let path =
            |method: Option<&String>| PathPattern::Exact(vec![Some(grpc.service.clone()), method.cloned()]);
        one_of(&grpc.methods, |methods| methods.iter()).into_iter().map(path)
    });
    matches.paths.iter().cloned().chain(grpc).collect()
}

/// Whether each request that `inner` is about is one for `outer` too.
pub(super) fn is_within(inner: &Match, outer: &Match) -> bool {
    let hosts = outer.hosts.is_empty()
        || (!inner.hosts.is_empty()
            && inner.hosts.iter().all(|inner| outer.hosts.iter().any(|outer| host_covers(outer, inner))));
    let (of_outer, of_inner) = (methods(outer), methods(inner));
    let methods =
        outer.methods.is_empty() || of_inner.iter().all(|inner| inner.is_some() && of_outer.contains(inner));
    let mtls = outer.mtls.is_none() || outer.mtls == inner.mtls;
    let connects = of_inner.iter().any(|method| method.is_none_or(|method| method == CONNECT));
    let pathless = any_path(outer) || !any_path(inner) || !connects;
    hosts && methods && mtls && pathless && {
        let outer = paths(outer);
        paths(inner).iter().all(|inner| outer.iter().any(|outer| path_covers(outer, inner)))
    }
}

fn host_covers(outer: &HostPattern, inner: &HostPattern) -> bool {
    match (outer, inner) {
        (outer, HostPattern::Exact(inner)) => outer.matches(inner),
        (HostPattern::Exact(_), HostPattern::Below(_)) => false,
        (HostPattern::Below(outer), HostPattern::Below(inner)) => ancestors(inner).any(|host| host == *outer),
    }
}

/// The host itself, then what it is below.
pub(super) fn ancestors(host: &Host) -> impl Iterator<Item = Host> {
    std::iter::once(host.clone()).chain(host.parents().map(HostRef::to_host))
}

fn path_covers(outer: &PathPattern, inner: &PathPattern) -> bool {
    let begins = |outer: &[Option<String>], inner: &[Option<String>]| {
        inner.len() >= outer.len()
            && outer.iter().zip(inner).all(|(outer, inner)| outer.is_none() || outer == inner)
    };
    match (outer, inner) {
        (PathPattern::Exact(outer), PathPattern::Exact(inner)) => {
            outer.len() == inner.len() && begins(outer, inner)
        }
        (PathPattern::Exact(_), PathPattern::Below(_)) => false,
        (PathPattern::Below(outer), PathPattern::Exact(inner) | PathPattern::Below(inner)) => {
            begins(outer, inner)
        }
    }
}

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method.unwrap_or("any method"))?;
        if let Some(host) = self.host {
            host.fmt(f)?;
        }
        match &self.path {
            Some(path) => path.fmt(f),
            None => f.write_str("without a path"),
        }
    }
}

const CONNECT: &str = "CONNECT";
