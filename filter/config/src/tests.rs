use std::time::Duration;

use serde_json::json;

use crate::{Object, boolean, duration, integer, non_empty_string, parse_json, read};

fn build(object: &mut Object<'_>) -> Option<(Vec<String>, Duration, u64)> {
    let names = object.required_list("names", non_empty_string);
    let wait = object.object("inner", |inner| {
        let wait = inner.or("wait", Duration::from_secs(30), duration(SECOND..=MINUTE));
        inner.or("loud", false, boolean)?;
        wait
    });
    let size = object.or("size", 8, integer(1..=16));
    Some((names?, wait?, size?))
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn defaults_apply_and_whole_doubles_are_whole_numbers() {
    assert_eq!(
        read(&json!({"names": ["a"], "size": 4.0}), build).unwrap(),
        (vec!["a".to_owned()], Duration::from_secs(30), 4)
    );
}

#[test]
fn every_error_is_reported_at_once_with_its_path() {
    let errors = read(
        &json!({"names": ["a", 1, ""], "siez": 3, "size": 17, "inner": {"wait": "5 s", "loud": "yes", "x": null}}),
        build,
    )
    .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "names[1]: expected a string, found a number\n\
         names[2]: must not be empty\n\
         inner.wait: expected a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\"\n\
         inner.loud: expected true or false, found a string\n\
         inner.x: unknown field; known here: loud, wait\n\
         size: must be from 1 to 16, is 17\n\
         siez: unknown field; did you mean `size`?"
    );
}

#[test]
fn absent_empty_and_mistyped_lists_are_errors() {
    for (settings, message) in [
        (json!({}), "names: is required"),
        (json!({"names": []}), "names: must have at least one item"),
        (json!({"names": "a"}), "names: expected a list, found a string"),
        (json!([]), "expected an object, found a list"),
        (json!({"names": ["a"], "inner": 1}), "inner: expected an object, found a number"),
    ] {
        assert_eq!(read(&settings, build).unwrap_err().to_string(), message);
    }
}

#[test]
fn durations_out_of_range_or_too_large_for_the_type_are_errors() {
    for text in
        ["0s", "61s", "2m", "1500", "s", "", "-1s", "1.5s", "99999999999999999999s", "9999999999999999999h"]
    {
        assert!(duration(SECOND..=MINUTE)(&json!(text)).is_err(), "{text}");
    }
    assert_eq!(duration(SECOND..=MINUTE)(&json!("1500ms")), Ok(Duration::from_millis(1500)));
    assert_eq!(duration(SECOND..=MINUTE)(&json!("1m")), Ok(MINUTE));
}

#[test]
fn numbers_that_are_not_whole_are_errors() {
    for number in [json!(1.5), json!(-1), json!(1e300), json!("3"), json!(true)] {
        assert!(integer(0..=u64::MAX)(&number).is_err(), "{number}");
    }
}

#[test]
fn a_member_that_stands_twice_is_an_error_at_every_depth() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"a":2}]}"#] {
        let message = parse_json(text.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("duplicate field `a` at line 1"), "{message}");
    }
    let text = r#"{"a":[null,true,-1,2,1.5,"s",{"b":{}}]}"#;
    assert_eq!(parse_json(text.as_bytes()).unwrap().to_string(), text);
    assert!(parse_json(b"{} x").is_err());
}
