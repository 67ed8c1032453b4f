//! Ten rotations of each kind under load, and a look for secrets in everything that is written or shown.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use svidgate_tests::{Connection, Load, Shown, poll, unix_seconds};

use crate::site::{API_KEY, BILLING, KEY, LEGACY, PATIENCE, Site, ask, claims, values, with_hooks};

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
    let shown = Shown::start();
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

    let mut secrets: BTreeSet<String> = keys.lock().expect("a lock").iter().skip(1).cloned().collect();
    let tokens = seen[1].lock().expect("a lock").clone();
    secrets.extend(tokens.iter().filter_map(|value| Some(value.rsplit('.').next()?.to_owned())));
    assert!(secrets.len() >= 21);
    nothing_shows(&site, shown, &secrets);
}

fn nothing_shows(site: &Site, mut shown: Shown, secrets: &BTreeSet<String>) {
    let dump = site.envoy.send(&ask(BILLING).header("x-test-dump", "1")).text();
    assert!(dump.contains("\"credentials\":\"eyJ"), "what is looked through is what rests there: {dump}");
    shown.add("shared data", dump);
    shown.add_controller(site.controller());
    let sealed = shown.add_sealed(site.controller(), KEY, &["billing", "legacy"]);
    let key = sealed.get("legacy").expect("it is sealed there").expose().to_vec();
    assert!(secrets.contains(std::str::from_utf8(&key).expect("text")), "the bytes that are looked through");
    shown.add_envoy(&site.envoy);
    shown.add_files(site.folder.path(), &["legacy.json", "edge.key"]);
    for name in ["dev.log", "controller.log", "envoy.log"] {
        assert!(shown.places().any(|place| place == name), "{name}");
    }
    shown.assert_without(secrets, &[]);
    // Where the key must stand, and where it may be seen: docs/outgoing.md says so.
    shown.assert_without(&BTreeSet::from([KEY.to_owned()]), &["Envoy's /config_dump", "envoy.json"]);
}
