use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Object, boolean, duration, field, integer, kind, non_empty_string, parse_json, read};

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
        (json!({"names": ["a", "b", "a"]}), "names[2]: stands twice"),
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

type Zoo = (Vec<(String, Option<u64>)>, BTreeMap<String, Duration>, Option<Duration>, &'static str);

/// One of each kind of field.
fn zoo(object: &mut Object<'_>) -> Option<Zoo> {
    let animals = object.objects(field!("animals", "Who lives there."), 2, |animal| {
        let name = animal.required(field!("name", "What it answers to."), kind::text());
        let legs = animal.optional(field!("legs", "How many."), kind::integer(0..=1000));
        animal.default(field!("weight", "In tons."), 0.5, kind::number(0.0..=1.0));
        Some((name?, legs?))
    });
    let meals = object.map(
        field!("meals", "When each is fed."),
        kind::text(),
        kind::duration(SECOND..=Duration::from_secs(7200)),
    );
    let open = object.object_or(
        field!("open", "For how long."),
        kind::duration(Duration::from_millis(500)..=MINUTE),
        |open| {
            let length =
                open.optional(field!("for", "The same, at length."), kind::duration(SECOND..=MINUTE));
            open.at_least_one(&["for"], "says nothing");
            length?
        },
    );
    let size = object.default(field!("size", "Of the place."), "small", kind::choice(&SIZES));
    object.exactly_one(&["animals", "empty"]);
    object.not_together("meals", "empty");
    object.or(field!("empty", "No animals."), false, kind::boolean());
    Some((animals?.unwrap_or_default(), meals?.unwrap_or_default(), open?, size?))
}

const SIZES: [(&str, &str); 3] = [("small", "S"), ("middle", "M"), ("large", "L")];

#[test]
fn lists_of_objects_maps_and_unions_are_read() {
    let settings = json!({
        "animals": [{"name": "a", "legs": 4}, {"name": "b", "legs": null}],
        "meals": {"a": "1h", "b": "2s"},
        "open": {"for": "3s"},
        "size": "large",
    });
    let (animals, meals, open, size) = read(&settings, zoo).unwrap();
    assert_eq!(animals, [("a".to_owned(), Some(4)), ("b".to_owned(), None)]);
    assert_eq!(meals.into_values().collect::<Vec<_>>(), [Duration::from_secs(3600), Duration::from_secs(2)]);
    assert_eq!((open, size), (Some(Duration::from_secs(3)), "L"));
    let (animals, meals, open, size) = read(&json!({"empty": true, "open": "4s"}), zoo).unwrap();
    assert_eq!((animals, meals.len(), open, size), (Vec::new(), 0, Some(Duration::from_secs(4)), "S"));
}

#[test]
fn every_error_inside_of_lists_maps_and_unions_has_its_path() {
    for (settings, expected) in [
        (
            json!({
                "animals": [{"name": "", "legs": 1001, "wieght": 1}, 7],
                "meals": {"a": "0s", "": "1s"},
                "open": {},
                "size": "huge",
            }),
            "animals[0].name: must not be empty\n\
             animals[0].legs: must be from 0 to 1000, is 1001\n\
             animals[0].wieght: unknown field; did you mean `weight`?\n\
             animals[1]: expected an object, found a number\n\
             meals.: must not be empty\n\
             meals.a: must be from 1s to 7200s, is 0ns\n\
             open: says nothing\n\
             size: expected small, middle or large",
        ),
        (
            json!({"animals": [{}, {}, {}], "meals": {}, "open": 3, "empty": 1}),
            "animals: must have at most 2 items, has 3\n\
             meals: must have at least one member\n\
             open: expected a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\", found a number\n\
             empty: only one may be there of animals or empty\n\
             empty: cannot be there together with `meals`\n\
             empty: expected true or false, found a number",
        ),
        (json!({}), "animals: is required: animals or empty"),
        (
            json!({"animals": [{"name": "a", "weight": 1.5}]}),
            "animals[0].weight: must be from 0 to 1, is 1.5",
        ),
    ] {
        assert_eq!(read(&settings, zoo).unwrap_err().to_string(), expected);
    }
}

#[test]
fn nothing_in_an_error_acts_on_a_terminal_or_begins_a_line() {
    let errors = read(&json!({"a\u{1b}[1m\nb": 1, "x": "\u{1b}[2J\n"}), |object| {
        object.required("x", |value: &Value| Err::<(), _>(format!("`{}` is wrong", value.as_str().unwrap())))
    });
    assert_eq!(
        errors.unwrap_err().to_string(),
        "x: `\u{fffd}[2J\u{fffd}` is wrong\na\u{fffd}[1m\u{fffd}b: unknown field; known here: x"
    );
}

#[test]
fn an_object_that_must_be_written_may_be_empty() {
    let build = |object: &mut Object<'_>| {
        object.required_object(field!("match", "What."), "`{}` is all", |inner| {
            let empty = inner.is_empty();
            inner.optional(field!("a", "One."), kind::boolean())?;
            Some(empty)
        })
    };
    assert_eq!(read(&json!({"match": {}}), build), Ok(true));
    assert_eq!(read(&json!({"match": {"a": null}}), build), Ok(false));
    for settings in [json!({}), json!({"match": null})] {
        assert_eq!(read(&settings, build).unwrap_err().to_string(), "match: is required; `{}` is all");
    }
}

#[cfg(feature = "describe")]
#[test]
fn what_is_read_is_described() {
    let present = |name: &str| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}});
    let animal = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string", "pattern": ".", "description": "What it answers to.\n\nForm: string, not empty.",
            },
            "legs": {"type": ["integer", "null"], "minimum": 0, "maximum": 1000, "description": "How many."},
            "weight": {
                "type": ["number", "null"], "minimum": 0.0, "maximum": 1.0, "default": 0.5,
                "description": "In tons.",
            },
        },
    });
    let undescribed = json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"});
    assert_eq!(
        crate::describe(zoo).to_json(),
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "animals": {
                    "type": ["array", "null"], "items": animal, "minItems": 1, "maxItems": 2,
                    "description": "Who lives there.",
                },
                "meals": {
                    "type": ["object", "null"],
                    "minProperties": 1,
                    "propertyNames": {"type": "string", "pattern": "."},
                    "additionalProperties": undescribed,
                    "description": "When each is fed.",
                },
                "open": {
                    "anyOf": [undescribed, {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": {
                            "for": {
                                "type": ["string", "null"],
                                "pattern": "^[0-9]+(ms|s|m|h)$",
                                "description": "The same, at length.\n\nForm: duration from 1s to 1m.",
                            },
                        },
                        "allOf": [{"anyOf": [present("for")]}],
                    }, {"type": "null"}],
                    "description": "For how long.",
                },
                "size": {
                    "type": ["string", "null"], "enum": ["small", "middle", "large", null], "default": "small",
                    "description": "Of the place.",
                },
                "empty": {"type": ["boolean", "null"], "description": "No animals."},
            },
            "allOf": [
                {"oneOf": [present("animals"), present("empty")]},
                {"not": {"allOf": [present("meals"), present("empty")]}},
            ],
        })
    );
}

#[test]
fn named_objects_report_the_path_of_each_and_their_number() {
    let build = |object: &mut Object<'_>| {
        let named = object.named("secrets", kind::text(), 2, |object| object.required("path", kind::text()));
        let one = object.optional_object("one", |object| object.required("path", kind::text()));
        Some((named?, one?))
    };
    let good = json!({"secrets": {"b": {"path": "x"}, "a": {"path": "y"}}});
    let (named, one) = read(&good, build).unwrap();
    assert_eq!(
        named.unwrap().into_iter().collect::<Vec<_>>(),
        [("a".into(), "y".into()), ("b".into(), "x".into())]
    );
    assert_eq!(one, None);
    assert_eq!(
        read(&json!({"secrets": null, "one": {"path": "z"}}), build).unwrap(),
        (None, Some("z".to_owned()))
    );
    let bad = json!({"secrets": {"a": {}, "b": {"path": "", "paht": "x"}}, "one": {}});
    let errors = read(&bad, build).unwrap_err().to_string();
    assert_eq!(
        errors,
        "secrets.a.path: is required\nsecrets.b.path: must not be empty\n\
         secrets.b.paht: unknown field; did you mean `path`?\none.path: is required"
    );
    let three = json!({"secrets": {"a": {}, "b": {}, "c": {}}});
    assert_eq!(read(&three, build).unwrap_err().to_string(), "secrets: must have at most 2 members, has 3");
    assert_eq!(
        read(&json!({"secrets": {}}), build).unwrap_err().to_string(),
        "secrets: must have at least one member"
    );
}
