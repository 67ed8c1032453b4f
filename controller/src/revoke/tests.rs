use clap::Parser;
use serde_json::json;
use svidgate_forge::{Key, Token as Forged};

use super::args::{HELP, RevokeArgs, RevokeCommand};
use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: RevokeArgs,
}

fn parse(line: &str) -> Result<RevokeArgs, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.args)
}

/// A moment after the forged tokens were issued, in milliseconds.
const NOW: u64 = svidgate_forge::NOW * 1000;

fn forged() -> Forged {
    Forged::new(&Key::p256("k")).claim("jti", json!("id"))
}

fn of(token: &Forged) -> anyhow::Result<(Value, String)> {
    of_token(&token.sign(&Key::p256("k")), NOW)
}

#[test]
fn a_token_is_revoked_by_its_jti_in_the_trust_domain_of_its_subject() {
    let (document, what) = of(&forged()).unwrap();
    let exp = svidgate_forge::NOW + 240;
    assert_eq!(document, json!({"jtis": [{"trust_domain": "example.org", "jti": "id", "expires_at": exp}]}));
    assert_eq!(what, "token id of example.org");
    let (document, _) = of(&forged().claim("exp", json!(exp as f64 + 0.5))).unwrap();
    assert_eq!(document["jtis"][0]["expires_at"], exp + 1, "not forgotten too early");
}

#[test]
fn v16_a_token_that_cannot_be_revoked_by_itself_is_told_why_and_never_shown() {
    for (token, why) in [
        (forged().without_claim("jti"), "svidgate revoke subject spiffe://example.org/client"),
        (forged().claim("jti", json!("")), "no `jti`"),
        (forged().claim("jti", json!("x".repeat(513))), "no `jti`"),
        (forged().claim("jti", json!(1)), "no JWT"),
        (forged().without_claim("exp"), "no `exp`"),
        (forged().without_claim("sub"), "no `sub`"),
        (forged().claim("sub", json!("https://example.org")), "no SPIFFE ID"),
        (forged().claim("exp", json!(svidgate_forge::NOW - 301)), "has expired"),
    ] {
        let error = format!("{:#}", of(&token).unwrap_err());
        assert!(error.contains(why), "{error}");
        let text = String::from_utf8(token.sign(&Key::p256("k"))).unwrap();
        assert!(!error.contains(text.split('.').nth(1).unwrap()), "{error}");
    }
    for garbage in ["", "x", "a.b.c"] {
        of_token(garbage.as_bytes(), NOW).unwrap_err();
    }
    // Expired, but a filter with the largest skew still admits it.
    of(&forged().claim("exp", json!(svidgate_forge::NOW - 300))).unwrap();
}

#[test]
fn now_covers_the_second_that_runs_and_moments_have_two_forms() {
    let before = |line: &str| match parse(line).unwrap().command {
        RevokeCommand::Subject { issued_before, .. } => issued_before.as_secs(),
        other => panic!("{other:?}"),
    };
    let now = clock::unix_millis() / 1000;
    for line in ["revoke subject spiffe://a.test/x", "revoke subject spiffe://a.test/x --issued-before now"] {
        assert!((now + 1..now + 60).contains(&before(line)), "{line}");
    }
    let base = "revoke subject spiffe://a.test/x --issued-before ";
    assert_eq!(before(&format!("{base}1764072000")), 1_764_072_000);
    assert_eq!(before(&format!("{base}2025-11-25T12:00:00Z")), 1_764_072_000);
    assert_eq!(before(&format!("{base}2025-11-25T13:00:00.1+01:00")), 1_764_072_001);
    for bad in ["1764072000000", "yesterday", "-1", "2025-11-25", ""] {
        assert!(parse(&format!("{base}{bad}")).is_err(), "{bad}");
    }
}

#[test]
fn arguments_are_checked_before_anyone_is_asked() {
    let args = parse("revoke kid --trust-domain a.test -kid --wait 5s --admin-socket /run/x.sock").unwrap();
    assert!(matches!(args.command, RevokeCommand::Kid { kid, .. } if kid == "-kid"));
    assert_eq!((args.wait, args.admin_socket.to_str()), (Some(Duration::from_secs(5)), Some("/run/x.sock")));
    for bad in [
        "revoke",
        "revoke kid k",
        "revoke kid --trust-domain A.TEST k",
        "revoke jti --trust-domain a.test j",
        "revoke subject a.test",
        "revoke token eyJ.eyJ.sig",
        "revoke list --wait forever",
        "revoke remove token",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert!(HELP.lines().all(|line| line.len() <= 80));
}

#[test]
fn the_outcome_says_what_changed_and_what_it_costs() {
    let changed = |changed, expired, left_out_bundles| Changed {
        changed,
        expired,
        entries: 2,
        revision: Some("ab".repeat(32)),
        left_out_bundles,
    };
    assert_eq!(
        outcome(&changed(true, 0, 0), "revoked key k of a.test"),
        "revoked key k of a.test\nentries in force: 2; revision: abababababab"
    );
    assert!(outcome(&changed(false, 0, 0), "revoked key k").starts_with("revoked key k (as before)\n"));
    assert!(outcome(&changed(false, 1, 0), "revoked token").starts_with("nothing to do: "));
    assert!(outcome(&changed(true, 0, 3), "x").contains("warning: 3 trust domains"));
}
