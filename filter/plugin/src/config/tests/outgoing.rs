use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn rule() -> Value {
    json!({"match": {"clusters": ["api"]}, "credential": "token", "as": "bearer"})
}

fn whole(change: impl FnOnce(&mut Value)) -> Result<Config, Vec<String>> {
    let mut value = json!({
        "inbound": "not_judged", "credentials": {"key": KEY}, "outgoing": [rule()],
    });
    change(&mut value);
    Config::from_value(&value).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn a_plugin_on_the_way_out_judges_nobody_and_one_on_the_way_in_may_do_both() {
    let out = whole(|_| {}).unwrap();
    assert!(!out.judges_inbound && out.outgoing.is_some());
    let both = whole(|value| {
        value.as_object_mut().unwrap().remove("inbound");
        value["audiences"] = json!(["a"]);
        value["allowed_spiffe_ids"] = json!(["spiffe://a.test/x"]);
    })
    .unwrap();
    assert!(both.judges_inbound && both.outgoing.is_some());
}

#[test]
fn nothing_inbound_is_opened_by_leaving_something_out() {
    let errors = whole(|value| drop(value.as_object_mut().unwrap().remove("inbound"))).unwrap_err();
    assert_eq!(errors, ["rules: is required: rules, allowed_spiffe_ids or inbound"]);
    let errors = whole(|value| value["inbound"] = json!("none")).unwrap_err();
    assert!(errors[0].starts_with("inbound: "), "{errors:?}");
    let errors = whole(|value| value["mode"] = json!("audit")).unwrap_err();
    assert_eq!(errors, ["mode: means nothing where `inbound` is `not_judged`"]);
    let errors = whole(|value| value["allowed_spiffe_ids"] = json!(["spiffe://a.test/x"])).unwrap_err();
    let wanted = "inbound: only one may be there of rules, allowed_spiffe_ids or inbound".to_owned();
    assert!(errors.contains(&wanted), "{errors:?}");
    let errors = whole(|value| {
        value.as_object_mut().unwrap().retain(|name, _| name == "inbound");
    })
    .unwrap_err();
    assert_eq!(
        errors,
        ["outgoing: is required where `inbound` is `not_judged`: the plugin would do nothing"]
    );
}

#[test]
fn outgoing_rules_are_read_strictly_and_say_no_secret() {
    for (change, mistake) in [
        (
            (|value| drop(value.as_object_mut().unwrap().remove("credentials"))) as fn(&mut Value),
            "credentials.key: is required: `outgoing` needs credentials, which come sealed",
        ),
        (
            |value| value["outgoing"][0]["match"] = json!({"hosts": ["a.test"]}),
            "outgoing[0].match.clusters: is required",
        ),
        (|value| value["outgoing"][0]["as"] = json!("digest"), "outgoing[0].as: expected bearer or basic"),
        (
            |value| drop(value["outgoing"][0].as_object_mut().unwrap().remove("as")),
            "outgoing[0].as: is required: bearer, basic or {header: NAME}",
        ),
        (
            |value| value["outgoing"][0]["as"] = json!({"header": "host"}),
            "outgoing[0].as.header: is a header with a meaning of its own; the filter would break it",
        ),
        (
            |value| value["outgoing"][0]["as"] = json!({"header": "x-k", "prefix": "a\r\nb"}),
            "outgoing[0].as.prefix: must be at most 64 printable ASCII characters",
        ),
        (
            |value| value["outgoing"][0]["credential"] = json!("a,b"),
            "outgoing[0].credential: must be 1 to 64 of a-z, 0-9, `_`, `.` and `-`, the first a letter or digit",
        ),
    ] {
        assert_eq!(whole(change).unwrap_err(), [mistake]);
    }
    let errors = whole(|value| value["credentials"]["key"] = json!("my-secret-key")).unwrap_err();
    assert!(
        errors[0].starts_with("credentials.key: must be 32 bytes") && !errors[0].contains("my-secret"),
        "{errors:?}"
    );
    let shown = format!("{:?}", whole(|_| {}).unwrap());
    assert!(!shown.contains(KEY), "{shown}");
    let many: Vec<_> = (0..33)
        .map(|number| {
            let mut rule = rule();
            rule["credential"] = json!(format!("c{number}"));
            rule
        })
        .collect();
    let errors = whole(|value| value["outgoing"] = json!(many)).unwrap_err();
    assert_eq!(errors, ["outgoing: may name at most 32 credentials, names 33"]);
}
