//! Ten rotations of each kind under load, and a look for secrets in everything that is written or shown.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, Mutex};

use svidgate_tests::{Connection, Load, poll};

use crate::site::{
    API_KEY, BILLING, KEY, LEGACY, PATIENCE, Site, ask, claims, unix_seconds, values, with_hooks,
};

/// What an upstream that checks the header takes: the key in force and the one before, as services do that rotate; of
/// tokens those that have not ended.
fn check(
    host: &str,
    value: &str,
    keys: &Mutex<Vec<String>>,
    seen: &Mutex<BTreeSet<String>>,
) -> Result<(), String> {
    seen.lock().expect("a lock").insert(value.to_owned());
    if host == LEGACY {
        let keys = keys.lock().expect("a lock");
        let good = keys.iter().rev().take(2).any(|key| key == value);
        return if good { Ok(()) } else { Err(format!("{value} is none of {keys:?}")) };
    }
    let claims = claims(value.strip_prefix("Bearer ").ok_or("no bearer token")?);
    let good = claims["aud"][0] == BILLING && claims["exp"].as_u64().is_some_and(|end| end > unix_seconds());
    if good { Ok(()) } else { Err(format!("{claims} at {}", unix_seconds())) }
}

#[test]
fn h13_ten_rotations_of_a_file_and_of_a_jwt_svid_under_load_and_not_one_refused() {
    // A fifth of that is left for the next one to arrive in; a busy machine stands still for a part of it.
    let site = Site::start_living("8s", |bootstrap, _| with_hooks(bootstrap));
    site.await_set(BILLING);
    site.await_set(LEGACY);
    let keys = Arc::new(Mutex::new(vec!["key-0".to_owned()]));
    let seen: Arc<[Mutex<BTreeSet<String>>; 2]> = Arc::default();
    let mut workers = site.envoy.connection_to_each_worker_at("egress", site.envoy.listener());
    let client = |host: &'static str, header: &'static str, index: usize| {
        let (address, keys, seen) = (site.envoy.listener().clone(), Arc::clone(&keys), Arc::clone(&seen));
        let mut connection: Option<Connection> = None;
        move || {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(&address).map_err(|error| error.to_string())?,
            };
            let answer = open.send(&ask(host)).map_err(|error| error.to_string())?;
            if answer.status != 200 {
                return Err(format!("{host}: {} {}", answer.status, answer.text()));
            }
            connection = Some(open);
            let values = values(&answer, header);
            let [value] = values.as_slice() else { return Err(format!("{values:?}")) };
            check(host, value, &keys, &seen[index])
        }
    };
    let load = Load::start(vec![
        client(LEGACY, API_KEY, 0),
        client(LEGACY, API_KEY, 0),
        client(BILLING, "authorization", 1),
        client(BILLING, "authorization", 1),
    ]);
    for number in 1..=10 {
        let key = format!("key-{number}-hush");
        keys.lock().expect("a lock").push(key.clone());
        site.write_key(&key, None);
        poll("every worker has the key", PATIENCE, || {
            let good = |connection: &mut Connection| {
                let answer = connection.send(&ask(LEGACY)).expect("an answer from Envoy");
                values(&answer, API_KEY) == [key.clone()]
            };
            workers.iter_mut().all(good).then_some(())
        });
        load.await_requests(50);
    }
    poll("ten other tokens were seen", PATIENCE * 3, || {
        (seen[1].lock().expect("a lock").len() >= 11).then_some(())
    });
    load.finish().assert_no_failure();
    assert_eq!(seen[0].lock().expect("a lock").len(), 11);

    let mut secrets: Vec<String> = keys.lock().expect("a lock").iter().skip(1).cloned().collect();
    let tokens = seen[1].lock().expect("a lock").clone();
    secrets.extend(tokens.iter().filter_map(|value| Some(value.rsplit('.').next()?.to_owned())));
    assert!(secrets.len() >= 21);
    nothing_shows(&site, &secrets);
}

fn nothing_shows(site: &Site, secrets: &[String]) {
    let dump = site.envoy.send(&ask(BILLING).header("x-test-dump", "1")).text();
    assert!(dump.contains("\"credentials\":\"eyJ"), "what is looked through is what rests there: {dump}");
    let process_list = Command::new("ps").args(["-eww", "-o", "args"]).output().expect("ps");
    let mut shown = vec![
        ("shared data".to_owned(), dump),
        ("the process list".to_owned(), String::from_utf8_lossy(&process_list.stdout).into_owned()),
    ];
    for path in ["/status", "/metrics", "/health", "/v1/snapshot?wait=0"] {
        shown.push((format!("the controller's {path}"), site.controller().ask(path).text()));
    }
    for path in ["/stats", "/config_dump", "/server_info", "/clusters", "/stats/prometheus"] {
        shown.push((format!("Envoy's {path}"), site.envoy.ask_admin("GET", path).text()));
    }
    let mut logs = 0;
    for entry in std::fs::read_dir(site.folder.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_file() && !["legacy.json", "edge.key"].contains(&name.as_str()) {
            logs += usize::from(name.ends_with(".log"));
            shown.push((name, String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned()));
        }
    }
    assert!(logs >= 3, "the logs of dev, controller and Envoy");
    for (place, text) in &shown {
        assert!(
            !text.is_empty() || place.ends_with(".log") || place.ends_with(".stdout"),
            "{place} is empty"
        );
        for secret in secrets {
            assert!(!text.contains(secret.as_str()), "{place} shows {secret}");
        }
        // Where the key must stand, and where it may be seen: docs/outgoing.md says so.
        let may_have_key = place == "Envoy's /config_dump" || place == "envoy.json";
        assert!(may_have_key || !text.contains(KEY), "{place} shows the key");
    }
}
