//! The report for a terminal: the verdict first, then why, then step by step.

use super::printable::{list, quoted};
use super::report::{Mark, Report, Verdict};
use super::when;
use svidgate_jwt_svid::UnixTime;

/// Lines without the last line break.
pub(super) fn render(report: &Report) -> String {
    let mut lines = Vec::new();
    if let Some(rules) = report.rules.as_ref().filter(|rules| rules.of_request) {
        lines.push("REQUEST, over a connection without mTLS".to_owned());
        lines.extend(rules.lines());
        lines.push("\nTOKEN, whatever the rule".to_owned());
    }
    lines.push(verdict(report));
    if let Some(refusal) = &report.refusal {
        lines.push(format!("  cause: {}", refusal.likely_cause));
        lines.push(format!("  mend:  {}", refusal.mend));
    }
    lines.push(String::new());
    for line in &report.steps {
        let mark = match line.outcome {
            Mark::Passed => '✓',
            Mark::Failed => '✗',
            Mark::NotReached | Mark::NotChecked => '–',
        };
        lines.push(format!("  {mark} {:<13} {}", line.step, line.detail).trim_end().to_owned());
    }
    lines.push(String::new());
    lines.push(format!("  judged at {}", when::utc(UnixTime(report.at))));
    lines.extend(keys(report));
    lines.extend(report.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(report.rules.iter().filter(|rules| !rules.of_request).flat_map(|rules| rules.lines()));
    lines.join("\n")
}

fn verdict(report: &Report) -> String {
    let identity = report.found.sub.as_deref().map_or_else(|| "nobody".to_owned(), quoted);
    match (report.verdict, &report.refusal) {
        (Verdict::Refused, Some(refusal)) => format!("REFUSED ({}): {}", refusal.reason, refusal.error),
        (Verdict::AudienceNotChecked, _) => format!(
            "NOT REFUSED, BUT NOT PROVED: {identity}; give --audience or --plugin to check for whom the token is"
        ),
        _ => format!("VALID: {identity}"),
    }
}

fn keys(report: &Report) -> Vec<String> {
    let mut lines = vec![format!("  keys from {}", report.keys.origin)];
    for domain in &report.keys.trust_domains {
        let kids = list(domain.kids.iter().map(String::as_str));
        lines.push(format!("    {}: {kids}", domain.trust_domain));
        for ignored in &domain.ignored {
            let kid = ignored.kid.as_deref().map_or_else(|| "an entry without kid".to_owned(), quoted);
            lines.push(format!("      not used: {kid} {}", ignored.reason));
        }
    }
    for refused in &report.keys.refused {
        lines.push(format!("    not used: bundle of {}: {}", quoted(&refused.name), refused.reason));
    }
    if report.keys.trust_domains.is_empty() {
        lines.push("    none: every token is refused".to_owned());
    }
    lines
}
