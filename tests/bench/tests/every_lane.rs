//! A run that is far too short to say anything about speed: every part works, and the report is whole.

use std::path::Path;

use svidgate_bench::{Plan, run};

#[test]
fn every_filter_answers_as_its_name_says_and_the_report_is_whole() {
    let plan = Plan::smoke();
    let program = Path::new(env!("CARGO_BIN_EXE_svidgate-bench"));
    let report = run(&plan, program, |progress| println!("{progress}")).unwrap();
    println!("{}", report.table());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/report.json");
    report.write(&file).unwrap();
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let lanes = json["lanes"].as_array().unwrap();
    assert_eq!(lanes.len(), plan.lanes.len());
    for lane in lanes {
        let name = format!("{}, {}", lane["filter"], lane["traffic"]);
        assert_eq!(lane["samples"].as_array().unwrap().len(), plan.rounds, "{name}");
        assert!(lane["worker_us"]["median"].as_f64().unwrap() > 0.0, "{name}");
        assert!(lane["latency"]["p99"].as_f64().unwrap() > 0.0, "{name}");
        let is_external = lane["filter"] == "ext_authz, gRPC";
        assert_eq!(lane["verifier_us"].is_number(), is_external, "{name}");
    }
    // Four for each algorithm; of one round nothing can be concluded, of the other algorithm nothing was measured.
    let nothing = |verdict: &str| ["inconclusive", "not_quiet"].contains(&verdict);
    let verdicts: Vec<&str> = json["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts.len(), 8);
    assert_eq!(verdicts[..4], ["not_measured"; 4]);
    assert!(verdicts[4..].iter().all(|verdict| nothing(verdict)), "{verdicts:?}");
    for version in ["envoy", "wrk", "svidgate", "plugin", "cpu", "kernel"] {
        assert!(!json["machine"][version].as_str().unwrap().is_empty(), "{version}");
    }
}
