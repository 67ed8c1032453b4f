use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::testing::nested;

const LIMITS: Limits = Limits { depth: 4, values: 10 };

fn error(text: &[u8]) -> JsonError {
    object(text, LIMITS).unwrap_err()
}

#[test]
fn v12_a_good_object_arrives_as_it_is() {
    let members = object(br#" {"a":[1,-2,2.5,"x",true,null],"b":{}} "#, LIMITS).unwrap();
    assert_eq!(Value::Object(members), serde_json::json!({"a": [1, -2, 2.5, "x", true, null], "b": {}}));
}

#[test]
fn v12_encoding_faults_are_refused() {
    assert_eq!(error(b"\xef\xbb\xbf{}"), JsonError::ByteOrderMark);
    assert_eq!(error(b"{\"a\":\"\xff\"}"), JsonError::NotUtf8);
    assert_eq!(error(b"{\"a\":\"\xed\xa0\x80\"}"), JsonError::NotUtf8); // a surrogate in UTF-8
    assert_eq!(error(b"{\"a\":\"\xc0\xaf\"}"), JsonError::NotUtf8); // overlong
    assert_eq!(error(b"{\0\"\0a\0\"\0:\x001\0}\0"), JsonError::Syntax); // UTF-16
    for lone in [r#"{"a":"\ud800"}"#, r#"{"a":"\udc00"}"#, r#"{"a":"\ud800x"}"#, r#"{"\ud800":1}"#] {
        assert_eq!(error(lone.as_bytes()), JsonError::Syntax, "{lone}");
    }
    let paired = object(br#"{"a":"\ud83d\ude00"}"#, LIMITS).unwrap();
    assert_eq!(paired["a"], "\u{1f600}");
}

#[test]
fn v12_trailing_data_is_refused() {
    for text in ["{}{}", "{}x", "{} null", "{}\0", "{},", "{}}"] {
        assert_eq!(error(text.as_bytes()), JsonError::TrailingData, "{text}");
    }
    assert!(object(b"{}\r\n\t ", LIMITS).is_ok());
}

#[test]
fn v12_what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":-Infinity}",
        "{\"a\":1e400}",
        "{\"a\":-1e400}",
        "{\"a\":0x1}",
        "{\"a\":1e}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "/**/{}",
        "{}//",
        "{\"a\":tru}",
        "{1:1}",
    ] {
        let error = error(text.as_bytes());
        assert!(matches!(error, JsonError::Syntax | JsonError::TrailingData), "{text}: {error}");
    }
}

#[test]
fn v12_only_an_object_will_do() {
    for text in ["[]", "1", "null", "\"x\"", "true", "[{}]"] {
        assert_eq!(error(text.as_bytes()), JsonError::NotAnObject, "{text}");
    }
}

#[test]
fn v04_duplicate_members_are_refused_at_every_depth() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"a":3}"#,
        r#"{"a":{"b":1,"b":1}}"#,
        r#"{"a":[{"b":1,"b":1}]}"#,
        r#"{"a":1,"\u0061":2}"#, // the same name in another spelling
        r#"{"":1,"":2}"#,
    ] {
        assert_eq!(error(text.as_bytes()), JsonError::DuplicateMember, "{text}");
    }
    assert!(object(br#"{"a":{"a":{"a":1}},"A":1}"#, LIMITS).is_ok());
}

#[test]
fn v12_depth_is_bounded() {
    let at = |depth| object(format!("{{\"a\":{}}}", nested(depth)).as_bytes(), LIMITS).map(|_| ());
    assert_eq!(at(3), Ok(()));
    assert_eq!(at(4), Err(JsonError::TooDeep));
    assert_eq!(at(100_000), Err(JsonError::TooDeep));
    let objects = "{\"a\":".repeat(100_000);
    assert_eq!(error(objects.as_bytes()), JsonError::TooDeep);
}

#[test]
fn v12_the_number_of_values_is_bounded() {
    let with = |count: usize| {
        let members: Vec<String> = (0..count).map(|index| format!("\"{index}\":0")).collect();
        object(format!("{{{}}}", members.join(",")).as_bytes(), LIMITS).map(|_| ())
    };
    assert_eq!(with(9), Ok(())); // the object itself is the tenth
    assert_eq!(with(10), Err(JsonError::TooManyValues));
    assert_eq!(error(format!("{{\"a\":[{}0]}}", "0,".repeat(100_000)).as_bytes()), JsonError::TooManyValues);
}

#[test]
fn v12_no_member_name_is_magic() {
    for name in ["$serde_json::private::Number", "$serde_json::private::RawValue", "__proto__"] {
        let members = object(format!("{{\"{name}\":\"1\"}}").as_bytes(), LIMITS).unwrap();
        assert_eq!(members[name], "1");
    }
}
