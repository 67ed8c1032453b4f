//! Weighing the answers, and showing the outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::case::{Case, Expected, Ours, Suite};
use crate::disposition::{Disposition, Dispositions};

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each suite.
    pub suites: Vec<SuiteReport>,
    /// What is the matter with the disposition file.
    pub problems: Vec<String>,
}

/// The outcome of a suite.
#[derive(Clone, Debug)]
pub struct SuiteReport {
    /// Its name.
    pub name: String,
    /// Cases in all.
    pub cases: usize,
    /// Cases that we accept.
    pub accepted: usize,
    /// Cases that we refuse.
    pub refused: usize,
    /// Cases in which we differ for a reason given in the disposition file.
    pub differing: usize,
    /// Vectors that cannot be put as a question to us.
    pub left_out: usize,
    /// Cases in which we differ, and should not.
    pub wrong: Vec<Wrong>,
}

/// A case in which we differ, and should not.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The case.
    pub id: String,
    /// Both answers.
    pub what: String,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.suites.iter().all(|suite| suite.wrong.is_empty())
    }

    /// For machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let suites: Vec<_> = self.suites.iter().map(SuiteReport::to_json).collect();
        json!({"suites": suites, "total": self.total().to_json(), "problems": self.problems, "clean": self.is_clean()})
    }

    /// All suites as one.
    #[must_use]
    pub fn total(&self) -> SuiteReport {
        let sum = |count: fn(&SuiteReport) -> usize| self.suites.iter().map(count).sum();
        SuiteReport {
            name: "total".into(),
            cases: sum(|suite| suite.cases),
            accepted: sum(|suite| suite.accepted),
            refused: sum(|suite| suite.refused),
            differing: sum(|suite| suite.differing),
            left_out: sum(|suite| suite.left_out),
            wrong: self.suites.iter().flat_map(|suite| suite.wrong.clone()).collect(),
        }
    }
}

impl SuiteReport {
    fn to_json(&self) -> Value {
        let wrong: Vec<_> =
            self.wrong.iter().map(|wrong| json!({"id": wrong.id, "what": wrong.what})).collect();
        json!({
            "suite": self.name, "cases": self.cases, "accepted": self.accepted, "refused": self.refused,
            "differing_by_disposition": self.differing, "left_out": self.left_out, "wrong": wrong,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        let rows = self.suites.iter().chain([&total]);
        let width = rows.clone().map(|suite| suite.name.len()).max().unwrap_or_default();
        writeln!(f, "{:width$}  cases  accepted  refused  differing  wrong  left out", "suite")?;
        for suite in rows {
            writeln!(
                f,
                "{:width$}  {:5}  {:8}  {:7}  {:9}  {:5}  {:8}",
                suite.name,
                suite.cases,
                suite.accepted,
                suite.refused,
                suite.differing,
                suite.wrong.len(),
                suite.left_out
            )?;
        }
        for suite in &self.suites {
            for wrong in &suite.wrong {
                writeln!(f, "WRONG {}, {}: {}", suite.name, wrong.id, wrong.what)?;
            }
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "PROBLEM {problem}"))
    }
}

/// Compares the answers case by case.
pub(crate) fn weigh(suites: Vec<Suite>, file: Dispositions) -> Report {
    let mut problems = Vec::new();
    let mut open = index(file.dispositions, &mut problems);
    let mut known = file.cases;
    let suites = suites
        .into_iter()
        .map(|suite| {
            match known.remove(&suite.name) {
                Some(count) if count == suite.cases.len() => {}
                Some(count) => {
                    problems.push(format!("{}: {} cases, not {count}", suite.name, suite.cases.len()))
                }
                None => problems.push(format!("{}: the file does not say how many cases it has", suite.name)),
            }
            weigh_suite(suite, &mut open, &mut problems)
        })
        .collect();
    problems.extend(known.into_keys().map(|name| format!("{name}: there is no such suite")));
    problems.extend(open.into_keys().map(|(suite, id)| format!("{suite}, {id}: there is no such case")));
    Report { suites, problems }
}

type Open = BTreeMap<(String, String), Disposition>;

fn index(dispositions: Vec<Disposition>, problems: &mut Vec<String>) -> Open {
    let mut open = Open::new();
    for disposition in dispositions {
        if disposition.reason.trim().is_empty() {
            problems.push(format!("{}, {:?}: there is no reason", disposition.suite, disposition.cases));
        }
        for id in disposition.ids() {
            if let Some(other) = open.insert((disposition.suite.clone(), id.clone()), disposition.clone()) {
                problems.push(format!("{}, {id}: listed twice", other.suite));
            }
        }
    }
    open
}

fn weigh_suite(suite: Suite, open: &mut Open, problems: &mut Vec<String>) -> SuiteReport {
    let mut report = SuiteReport {
        name: suite.name,
        cases: suite.cases.len(),
        accepted: 0,
        refused: 0,
        differing: 0,
        left_out: suite.left_out,
        wrong: Vec::new(),
    };
    let mut ids = BTreeSet::new();
    for case in suite.cases {
        match case.ours {
            Ours::Accepted => report.accepted += 1,
            Ours::Refused(_) => report.refused += 1,
        }
        let disposition = open.remove(&(report.name.clone(), case.id.clone()));
        match (case.agrees(), disposition) {
            (true, None) => {}
            (true, Some(_)) => problems.push(format!("{}, {}: no longer differs", report.name, case.id)),
            (false, Some(listed))
                if listed.vector == case.expected.as_str() && listed.ours == case.ours.as_str() =>
            {
                report.differing += 1;
            }
            (false, _) => report.wrong.push(Wrong { id: case.id.clone(), what: what(&case) }),
        }
        if !ids.insert(case.id.clone()) {
            problems.push(format!("{}, {}: two cases of this name", report.name, case.id));
        }
    }
    report
}

fn what(case: &Case) -> String {
    let ours = match &case.ours {
        Ours::Accepted => "accepted".into(),
        Ours::Refused(why) => format!("refused ({why})"),
    };
    match case.expected {
        Expected::InvalidFor(reason) => format!("{ours}, should be refused ({reason})"),
        expected => format!("{ours}, the vector says {}", expected.as_str()),
    }
}

#[cfg(test)]
mod tests;
