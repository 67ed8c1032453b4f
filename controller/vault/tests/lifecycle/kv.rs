//! Secrets without a lease.

use serde_json::json;
use svidgate_vault::{Spec, Timing};
use tokio::time::Instant;

use crate::fake::world::{World, kv, next, sees, text};
use crate::fake::{How, pass};
use crate::{s, timing};

#[tokio::test(start_paused = true)]
async fn h08_h12_kv_is_polled_and_published_only_when_it_changed() {
    let world = World::new();
    world.fake.model(|model| model.put("app", json!({ "password": "one", "n": 1 })));
    let vault = world.start(timing());
    let mut channel = vault.keep("kv", kv("app")).expect("a free name");
    assert_eq!(text(&next(&mut channel).await, "password"), "one");
    pass(s(1501)).await;
    assert_eq!(world.fake.count("secret/data/app"), 6);
    assert!(!channel.has_changed().expect("the keeper runs"));
    world.fake.model(|model| model.put("app", json!({ "password": "two", "n": 2 })));
    let second = next(&mut channel).await;
    assert_eq!((text(&second, "password"), text(&second, "n")), ("two".to_owned(), "2".to_owned()));
    assert_eq!((second.revision(), second.version()), (2, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn h08_a_ttl_field_sets_the_pace_and_the_end() {
    let world = World::new();
    world.fake.model(|model| model.put("kafka", json!({ "password": "one", "ttl": 3600 })));
    let vault = world.start(timing());
    let mut channel = vault.keep("kafka", kv("kafka")).expect("a free name");
    next(&mut channel).await;
    pass(s(2879)).await;
    assert_eq!(world.fake.count("secret/data"), 1);
    pass(s(2)).await;
    assert_eq!(world.fake.count("secret/data"), 2);
    world.fake.fault_for_ever("secret/data", How::Status(500, "{}"));
    pass(s(3590)).await;
    assert_eq!(sees(&channel, "password").as_deref(), Some("one"));
    pass(s(20)).await;
    assert_eq!(sees(&channel, "password"), None, "not read for as long as it said that it is good");
}

#[tokio::test(start_paused = true)]
async fn h08_a_secret_without_ttl_outlives_an_outage_and_a_removed_one_is_withdrawn() {
    let world = World::new();
    world.fake.model(|model| model.put("app", json!({ "password": "one" })));
    let vault = world.start(timing());
    let mut channel = vault.keep("kv", kv("app")).expect("a free name");
    next(&mut channel).await;
    for how in [How::Status(503, "{}"), How::Status(404, "<html>")] {
        world.fake.fault_for_ever("secret/data", how);
        pass(s(3000)).await;
        assert_eq!(sees(&channel, "password").as_deref(), Some("one"), "a failure replaces nothing");
        world.fake.mend();
    }
    world.fake.model(|model| model.kv.insert("app".to_owned(), (2, json!(null))));
    pass(s(400)).await;
    assert!(channel.borrow().is_none());
    world.fake.model(|model| model.put("app", json!({ "password": "three" })));
    assert_eq!(text(&next(&mut channel).await, "password"), "three");
}

#[tokio::test(start_paused = true)]
async fn h08_h11_a_ttl_beyond_all_measure_ends_no_keeper() {
    for ttl in [json!(u64::MAX), json!("18446744073709551615"), json!("5124095576030431h")] {
        let world = World::new();
        world.fake.model(|model| model.put("app", json!({ "password": "one", "ttl": ttl })));
        let vault = world.start(timing());
        let mut channel = vault.keep("kv", kv("app")).expect("a free name");
        next(&mut channel).await;
        pass(s(12)).await;
        world.fake.model(|model| model.put("app", json!({ "password": "two" })));
        vault.refresh("kv");
        assert_eq!(text(&next(&mut channel).await, "password"), "two", "{ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn h08_a_static_password_is_read_right_after_its_change_and_soon_after_one_by_hand() {
    let world = World::new();
    world.fake.model(|model| model.fixed = Some(("one".to_owned(), Instant::now() + s(86_400))));
    let vault = world.start(Timing { jitter: 0.5, ..timing() });
    let spec = Spec::StaticDatabase { mount: "database".to_owned(), role: "app".to_owned() };
    let mut channel = vault.keep("db", spec).expect("a free name");
    assert_eq!(text(&next(&mut channel).await, "password"), "one");
    pass(s(86_399)).await;
    world.fake.model(|model| model.fixed = Some(("two".to_owned(), Instant::now() + s(86_401))));
    let second = tokio::time::timeout(s(6), next(&mut channel)).await.expect("right after the change");
    assert_eq!(text(&second, "password"), "two");
    pass(s(1000)).await;
    world.fake.model(|model| model.fixed = Some(("three".to_owned(), Instant::now() + s(86_400))));
    let third = tokio::time::timeout(s(460), next(&mut channel)).await.expect("within `poll`");
    assert_eq!(text(&third, "password"), "three");
}
