//! Doubts about the order of the plugin's rules, as findings.

use svidgate_policy::{Doubt, DoubtKind, Settings};

use super::finding::Finding;
use super::kinds;
use super::node::Node;

/// What is likely a mistake in the order of the rules. `at` is where the rules can be pointed at: with `exactly`, each
/// by itself.
pub(super) fn check(at: &Node<'_>, exactly: bool, settings: &Settings, findings: &mut Vec<Finding>) {
    let doubts = settings.policy.doubts(settings.mode);
    let name = |position: usize| match settings.policy.rules().get(position) {
        Some(rule) => format!("rules[{position}] `{}`", rule.name),
        None => format!("rules[{position}]"),
    };
    let node = |position: usize| {
        let rules = at.list("rules");
        rules.get(position).filter(|_| exactly).unwrap_or(at).clone()
    };
    for Doubt { rule, kind } in doubts.found.iter().take(MOST_SHOWN) {
        findings.push(match kind {
            DoubtKind::Unreachable { by } => {
                let shown: Vec<_> = by.iter().take(MOST_NAMED).map(|position| name(*position)).collect();
                let more = by.len().saturating_sub(shown.len());
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                let what = format!("{} is never reached: it is covered by {}{more}", name(*rule), shown.join(", "));
                let mend = "put the more specific rule first, or take out the one that is not meant";
                Finding::new(kinds::RULE_UNREACHABLE, &node(*rule), what, mend)
            }
            DoubtKind::Overlaps { earlier, requests } => {
                let what = format!(
                    "{} overlaps {}, which comes first and decides `{requests}`",
                    name(*rule),
                    name(*earlier)
                );
                let mend = format!(
                    "put rules[{rule}] before rules[{earlier}] if it is meant to decide; otherwise say so with a rule \
                     for just these requests before both"
                );
                Finding::new(kinds::RULE_OVERLAPS, &node(*rule), what, mend)
            }
        });
    }
    let more = doubts.found.len().saturating_sub(MOST_SHOWN);
    let (what, mend) = match (more, doubts.incomplete) {
        (0, false) => return,
        (0, true) => {
            let mend = "use fewer wildcards side by side with literals, or several plugins by listener";
            ("the rules have too many ways to compare all of them".to_owned(), mend)
        }
        (more, _) => (
            format!("{more} more rules are never reached or overlap"),
            "mend the first ones, then check again",
        ),
    };
    findings.push(Finding::new(kinds::RULES_MORE, at, what, mend));
}

/// Of ten thousand rules behind one that covers them all nobody wants to read each.
const MOST_SHOWN: usize = 20;
const MOST_NAMED: usize = 3;
