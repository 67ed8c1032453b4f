//! What is likely a mistake in the order of rules: one that no request reaches, and one that seems to be the closer one
//! for requests which an earlier rule decides.
//!
//! Each way into a rule (one of its hosts, paths, methods, with or without a peer) is looked up in the compiled policy as
//! a request would be, only that a pattern must be covered as a whole. So the cost is that of one look-up for each
//! entry that the rule has in the compiled policy, not that of comparing each rule with each other one.

mod reach;
mod way;

use super::Policy;
use crate::rule::{Mode, Rule};
use reach::Budget;
use way::{Way, is_within};

/// Something about the order of rules that is likely a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Position of the rule, from 0.
    pub rule: usize,
    /// What is the matter with it.
    pub kind: DoubtKind,
}

/// What is the matter with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoubtKind {
    /// It decides no request: for each that it is about there is one of these earlier rules.
    Unreachable {
        /// Positions of those rules, in their order.
        by: Vec<usize>,
    },
    /// An earlier rule that asks something else decides requests for which this rule is the closer one: its host is as
    /// narrow or narrower, and at the first segment in which their paths differ it says more. Or it names as a path of
    /// its own what the earlier rule decides already.
    Overlaps {
        /// Position of the earlier rule.
        earlier: usize,
        /// Requests that both are about, as method, host and path.
        requests: String,
    },
}

/// What was found, in the order of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// At most one for each rule.
    pub found: Vec<Doubt>,
    /// Whether the rules were too many-sided to compare all of them; what was found holds all the same.
    pub incomplete: bool,
}

impl Policy {
    /// Looks for rules that are never reached and for those that an earlier one overlaps by mistake.
    ///
    /// A specific rule before a general one is no mistake, nor are rules that cross in method or peer alone, nor those
    /// of which one has the closer host and the other one the closer path. `mode` is that of rules without one.
    ///
    /// Never calls a rule unreachable that a request can reach. Bounded in time: see [`Doubts::incomplete`].
    #[must_use]
    pub fn doubts(&self, mode: Mode) -> Doubts {
        let mut reaching = Budget::new();
        let mut overlapping = Budget::new();
        let mut found = Vec::new();
        for (position, rule) in self.rules().iter().enumerate() {
            let doubt = match self.deciders(position, rule, &mut reaching) {
                Some(by) => Some(DoubtKind::Unreachable { by }),
                None => self.overlap(position, rule, mode, &mut overlapping),
            };
            found.extend(doubt.map(|kind| Doubt { rule: position, kind }));
        }
        Doubts { found, incomplete: reaching.is_spent() || overlapping.is_spent() }
    }

    /// Earlier rules that are about all that this rule is about; none when it decides something itself, or that could
    /// not be told.
    fn deciders(&self, position: usize, rule: &Rule, budget: &mut Budget) -> Option<Vec<usize>> {
        let mut by = Vec::new();
        for way in Way::all(&rule.matches) {
            let decider = self.covering(&way, budget).filter(|decider| *decider < position)?;
            if budget.is_spent() {
                return None;
            }
            if let Err(at) = by.binary_search(&decider) {
                by.insert(at, decider);
            }
        }
        (!by.is_empty()).then_some(by)
    }

    /// The first earlier rule that decides by mistake what this one is about.
    fn overlap(&self, position: usize, rule: &Rule, mode: Mode, budget: &mut Budget) -> Option<DoubtKind> {
        let mut first: Option<(usize, String)> = None;
        for way in Way::all(&rule.matches) {
            for met in self.meeting(&way, position, budget) {
                let worse = first.as_ref().is_some_and(|(before, _)| *before < met.earlier);
                let Some(earlier) = self.rules().get(met.earlier).filter(|_| !worse) else { continue };
                let mtls_fits = earlier.matches.mtls.is_none() || earlier.matches.mtls == rule.matches.mtls;
                if !(met.closer || (met.covered && mtls_fits))
                    || same_demands(rule, earlier, mode)
                    || is_within(&earlier.matches, &rule.matches)
                    || self.covering(&met.way, budget).is_some_and(|decider| decider < met.earlier)
                {
                    continue;
                }
                let this = (met.earlier, met.way.to_string());
                if first.as_ref().is_none_or(|first| this < *first) {
                    first = Some(this);
                }
            }
        }
        first.map(|(earlier, requests)| DoubtKind::Overlaps { earlier, requests })
    }
}

fn same_demands(one: &Rule, two: &Rule, mode: Mode) -> bool {
    one.require.asks_the_same_as(&two.require)
        && one.mode.unwrap_or(mode) == two.mode.unwrap_or(mode)
        && one.admits == two.admits
        && one.lets_preflights_pass == two.lets_preflights_pass
}

#[cfg(test)]
mod tests;
