//! What came of a run: counts, disagreements with their reasons, faults.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::disposition::{Disposition, STRICTER_HERE, STRICTER_THERE};

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The seed of the mutations.
    pub seed: u64,
    /// Those who were asked.
    pub peers: Vec<&'static str>,
    /// Counts by class.
    pub classes: Vec<Row>,
    /// Disagreements that are meant to be.
    pub disagreements: Vec<Disagreement>,
    /// Disagreements that no disposition covers: a fault of ours or of theirs.
    pub faults: Vec<Fault>,
}

/// Counts of one class.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The class.
    pub class: &'static str,
    /// Its tokens.
    pub tokens: u64,
    /// Those that we accept.
    pub accepted: u64,
    /// Those that we refuse.
    pub refused: u64,
    /// The same of each peer.
    pub peers: BTreeMap<&'static str, Tally>,
}

/// Counts of one peer.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    /// Tokens that it accepts.
    pub accepted: u64,
    /// Tokens that it refuses.
    pub refused: u64,
    /// Tokens that it could not be asked about.
    pub not_asked: u64,
}

/// Which way a disagreement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// We accept and the peer refuses.
    StricterThere,
    /// We refuse and the peer accepts.
    StricterHere,
    /// Both accept, as different identities.
    OtherIdentity,
}

/// A class of disagreement that is meant to be.
#[derive(Debug, Serialize)]
pub struct Disagreement {
    /// Which way it goes.
    pub direction: Direction,
    /// With whom.
    pub peer: &'static str,
    /// The disposition's name.
    pub name: &'static str,
    /// Where the rule comes from.
    pub rule: &'static str,
    /// Why.
    pub why: &'static str,
    /// How many tokens.
    pub tokens: u64,
    /// One of them.
    pub example: String,
}

/// A disagreement without a reason.
#[derive(Debug, Serialize)]
pub struct Fault {
    /// Which way it goes.
    pub direction: Direction,
    /// With whom.
    pub peer: &'static str,
    /// Class and name of the case.
    pub case: String,
    /// What we say.
    pub ours: String,
    /// What the peer says.
    pub theirs: String,
    /// The header, decoded leniently.
    pub header: String,
    /// The payload, decoded leniently.
    pub payload: String,
}

impl Report {
    /// An empty one.
    #[must_use]
    pub fn new(seed: u64, peers: Vec<&'static str>) -> Self {
        Self { seed, peers, classes: Vec::new(), disagreements: Vec::new(), faults: Vec::new() }
    }

    /// The row of a class.
    pub fn row(&mut self, class: &'static str) -> &mut Row {
        let at = self.classes.iter().position(|row| row.class == class).unwrap_or_else(|| {
            let peers = BTreeMap::new();
            self.classes.push(Row { class, tokens: 0, accepted: 0, refused: 0, peers });
            self.classes.len() - 1
        });
        &mut self.classes[at]
    }

    /// All tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.classes.iter().map(|row| row.tokens).sum()
    }

    /// The dispositions that no token of this run was of, with the peer that was asked. In a long run they are stale.
    #[must_use]
    pub fn unused(&self) -> Vec<(&'static str, &'static str)> {
        let both = [(Direction::StricterHere, STRICTER_HERE), (Direction::StricterThere, STRICTER_THERE)];
        let mut unused = Vec::new();
        for (direction, all) in both {
            for Disposition { name, peers, .. } in all {
                for peer in peers.iter().filter(|peer| self.peers.contains(peer)) {
                    let is_used = self.disagreements.iter().any(|known| {
                        known.direction == direction && known.name == *name && known.peer == *peer
                    });
                    if !is_used {
                        unused.push((*name, *peer));
                    }
                }
            }
        }
        unused
    }

    /// Tables for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let heads: String =
            self.peers.iter().fold(String::new(), |heads, peer| heads + &format!("{peer:>20}"));
        let _ = writeln!(out, "accepted / refused (not asked), seed {}", self.seed);
        let _ = writeln!(out, "{:<36}{:>8}{:>14}{heads}", "class", "tokens", "svidgate");
        let mut total = Row {
            class: "all",
            tokens: 0,
            accepted: 0,
            refused: 0,
            peers: self.peers.iter().map(|peer| (*peer, Tally::default())).collect(),
        };
        let mut rows: Vec<&Row> = self.classes.iter().collect();
        rows.sort_by_key(|row| row.class);
        for row in &rows {
            out.push_str(&self.line(row));
            total.tokens += row.tokens;
            total.accepted += row.accepted;
            total.refused += row.refused;
            for (peer, tally) in &row.peers {
                let sum = total.peers.entry(peer).or_default();
                sum.accepted += tally.accepted;
                sum.refused += tally.refused;
                sum.not_asked += tally.not_asked;
            }
        }
        out.push_str(&self.line(&total));
        let _ = writeln!(out, "\ndisagreements, each token checked against its class");
        let mut disagreements: Vec<&Disagreement> = self.disagreements.iter().collect();
        disagreements.sort_by_key(|known| (known.direction, known.peer, known.name));
        for known in disagreements {
            let direction = match known.direction {
                Direction::StricterThere => "accepted here only",
                Direction::StricterHere => "refused here only",
                Direction::OtherIdentity => "other identity",
            };
            let Disagreement { peer, name, rule, tokens, .. } = known;
            let _ = writeln!(out, "  {direction:<20}{peer:<14}{tokens:>6}  {name} ({rule})");
        }
        let _ = writeln!(out, "\ndisagreements without a reason: {}", self.faults.len());
        for fault in self.faults.iter().take(MOST_FAULTS) {
            let _ = writeln!(out, "{fault:#?}");
        }
        out
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string())
    }

    fn line(&self, row: &Row) -> String {
        let ours = format!("{} / {}", row.accepted, row.refused);
        let mut line = format!("{:<36}{:>8}{ours:>14}", row.class, row.tokens);
        for peer in &self.peers {
            let text = row.peers.get(peer).map_or_else(String::new, |tally| {
                let not_asked =
                    if tally.not_asked > 0 { format!(" ({})", tally.not_asked) } else { String::new() };
                format!("{} / {}{not_asked}", tally.accepted, tally.refused)
            });
            let _ = write!(line, "{text:>20}");
        }
        line + "\n"
    }
}

/// More of them say nothing new.
const MOST_FAULTS: usize = 20;
