//! Where we differ on purpose.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dispositions {
    /// How many cases each suite has, so that a suite that loses some is noticed.
    pub(crate) cases: BTreeMap<String, usize>,
    pub(crate) dispositions: Vec<Disposition>,
}

/// Cases that differ for one reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disposition {
    pub(crate) suite: String,
    /// Names; `"3..=7"` stands for five numbers.
    pub(crate) cases: Vec<String>,
    /// What the vectors say: `valid`, `acceptable` or `invalid`.
    pub(crate) vector: String,
    /// What we say: `accepted` or `refused`.
    pub(crate) ours: String,
    pub(crate) reason: String,
}

impl Disposition {
    /// The names with ranges written out.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        self.cases.iter().flat_map(|entry| match entry.split_once("..=").map(numbers) {
            Some(Some((first, last))) => (first..=last).map(|number| number.to_string()).collect(),
            _ => vec![entry.clone()],
        })
    }
}

/// `dispositions.json`.
pub(crate) fn embedded() -> Dispositions {
    serde_json::from_str(include_str!("../dispositions.json")).expect("dispositions.json")
}

fn numbers((first, last): (&str, &str)) -> Option<(u32, u32)> {
    Some((first.parse().ok()?, last.parse().ok()?))
}
