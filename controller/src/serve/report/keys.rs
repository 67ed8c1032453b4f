//! Who holds which keys: whether a new key may be activated, and an old one taken away.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use svidgate_jwt_svid::TrustDomain;

use super::SubscriberStatus;
use crate::store::{Known, State};

/// A key and how many subscribers have it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHolders {
    /// Its trust domain.
    pub trust_domain: String,
    /// Its id.
    pub kid: String,
    /// Whether it is in the bundle in force; otherwise only subscribers that are behind have it.
    pub in_force: bool,
    /// Whether the list of revocations has it: then no token that it signed is admitted.
    pub revoked: bool,
    /// Subscribers that have it. One whose revision the controller does not know counts as without.
    pub held_by: usize,
}

/// A revision and how many subscribers enforce it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionHolders {
    /// Which.
    pub revision: String,
    /// Whether it is the one in force.
    pub in_force: bool,
    /// Subscribers that enforce it.
    pub subscribers: usize,
    /// Ids of its keys by trust domain; none for a revision that this controller did not make lately, such as that of
    /// another replica.
    pub kids: Option<BTreeMap<String, Vec<String>>>,
    /// Entries of its list of revocations; none as for the keys.
    pub revocations: Option<usize>,
}

/// The one in force, and those that subscribers enforce.
pub(super) fn revisions(
    subscribers: &[SubscriberStatus],
    known: &BTreeMap<&str, &Known>,
    in_force: Option<&str>,
) -> Vec<RevisionHolders> {
    let mut holders: BTreeMap<&str, usize> = in_force.into_iter().map(|revision| (revision, 0)).collect();
    for revision in subscribers.iter().filter_map(|subscriber| subscriber.revision.as_deref()) {
        let count = holders.entry(revision).or_default();
        *count = count.saturating_add(1);
    }
    let revision = |(revision, subscribers): (&str, usize)| {
        let known = known.get(revision);
        RevisionHolders {
            revision: revision.to_owned(),
            in_force: Some(revision) == in_force,
            subscribers,
            kids: known.map(|known| kids(known)),
            revocations: known.map(|known| known.revocations),
        }
    };
    holders.into_iter().map(revision).collect()
}

/// By trust domain and id.
pub(super) fn keys(state: &State, revisions: &[RevisionHolders]) -> Vec<KeyHolders> {
    let mut holders: BTreeMap<(&str, &str), (bool, usize)> = BTreeMap::new();
    for revision in revisions {
        for (domain, kids) in revision.kids.iter().flatten() {
            for kid in kids {
                let (in_force, held_by) = holders.entry((domain, kid)).or_default();
                *in_force |= revision.in_force;
                *held_by = held_by.saturating_add(revision.subscribers);
            }
        }
    }
    let revoked = |domain: &str, kid: &str| {
        let (Some(revoked), Ok(domain)) = (&state.revoked, TrustDomain::parse(domain)) else { return false };
        revoked.list.has_kid(&domain, kid)
    };
    let key = |((domain, kid), (in_force, held_by)): ((&str, &str), (bool, usize))| KeyHolders {
        revoked: revoked(domain, kid),
        trust_domain: domain.to_owned(),
        kid: kid.to_owned(),
        in_force,
        held_by,
    };
    holders.into_iter().map(key).collect()
}

fn kids(known: &Known) -> BTreeMap<String, Vec<String>> {
    let kids = |bundle: &svidgate_jwt_svid::Bundle| bundle.kids().map(|kid| kid.to_string()).collect();
    known.bundles.iter().map(|(domain, bundle)| (domain.to_string(), kids(bundle))).collect()
}
