//! Fields that nobody asked for.

use super::{Object, printable};

impl Object<'_> {
    pub(super) fn finish(mut self) {
        let unknown: Vec<&String> =
            self.map.keys().filter(|key| !self.seen.contains(key.as_str())).take(MAX_UNKNOWN).collect();
        for key in unknown {
            let known = self.seen.iter().copied().collect::<Vec<_>>();
            let message = match closest(key, &known) {
                Some(name) => format!("unknown field; did you mean `{name}`?"),
                None => format!("unknown field; known here: {}", known.join(", ")),
            };
            self.error(&printable(key), message);
        }
    }
}

/// The known name that one or two slips of the keyboard away; none if nothing is near.
fn closest<'n>(key: &str, known: &[&'n str]) -> Option<&'n str> {
    if key.len() > 64 {
        return None;
    }
    let folded = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    let key = folded(key);
    known
        .iter()
        .map(|name| (distance(key.as_bytes(), folded(name).as_bytes()), *name))
        .min()
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .map(|(_, name)| name)
}

/// Levenshtein distance, one row at a time.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut left = i.saturating_add(1);
        let mut diagonal = i;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(x != y));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(cell.saturating_add(1));
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or(a.len())
}

/// How many unknown fields of one object are listed: a wrong file must not print pages.
const MAX_UNKNOWN: usize = 20;
