//! What the access log says of each row: the identity and the decision, from filter state.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::poll::within;

use super::expect::Expect;
use super::row::Row;

/// Waits until the log has a line for each row that the plugin judged, and returns what is wrong with them.
pub fn mistakes(log: &Path, rows: &[Row]) -> Vec<String> {
    let judged: Vec<&Row> =
        rows.iter().filter(|row| row.expect.status.is_some() && row.expect.logged).collect();
    let mut lines = BTreeMap::new();
    let complete = within(Duration::from_secs(20), || {
        lines = read(log);
        judged.iter().all(|row| lines.contains_key(row.name)).then_some(())
    });
    if complete.is_none() {
        let missing: Vec<_> =
            judged.iter().map(|row| row.name).filter(|name| !lines.contains_key(*name)).collect();
        return vec![format!("not in the access log: {missing:?}")];
    }
    judged.iter().flat_map(|row| compare(row, &lines[row.name])).collect()
}

fn read(log: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    // The last line may be half written.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| Some((line["row"].as_str()?.to_owned(), line))).collect()
}

fn compare(row: &Row, line: &Value) -> Vec<String> {
    let Expect { rule, reason, identity, metadata, .. } = &row.expect;
    let passes = row.expect.passes();
    let text = |value: Option<&str>| value.map_or(Value::Null, Value::from);
    let wanted = [
        ("mark", text(passes.then_some("verified"))),
        ("spiffe_id", text(*identity)),
        ("rule", text(Some(*rule))),
        ("reason", text(*reason)),
        ("metadata", text(*metadata)),
    ];
    let wrong = wanted.iter().filter(|(name, wanted)| line[name] != *wanted);
    wrong
        .map(|(name, wanted)| format!("{}: access log: {name} is {}, not {wanted}", row.name, line[name]))
        .collect()
}
