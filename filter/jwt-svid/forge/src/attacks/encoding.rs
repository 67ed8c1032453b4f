use serde_json::json;

use super::{Attack, attack, good, victim};
use crate::token::b64;

pub(super) fn attacks(now: u64) -> Vec<Attack> {
    [splitting(now), bombs(now), polyglots(now)].concat()
}

fn splitting(now: u64) -> Vec<Attack> {
    let token = good(now).sign(&victim());
    let with = |tail: &[u8]| [&token, tail].concat();
    vec![
        attack("j14", "nothing", Vec::new(), "token_malformed"),
        attack("j14", "one dot", b".".to_vec(), "token_malformed"),
        attack("j14", "two dots", b"..".to_vec(), "token_malformed"),
        attack("j14", "8192 dots", vec![b'.'; 8192], "token_malformed"),
        attack("j14", "8193 dots", vec![b'.'; 8193], "token_too_large"),
        attack("j14", "a million dots", vec![b'.'; 1_000_000], "token_too_large"),
        attack("j14", "a dot behind", with(b"."), "token_malformed"),
        attack("j14", "thousands of dots behind", with(&[b'.'; 7000]), "token_malformed"),
        attack("j14", "a fourth part", with(b".AAAA"), "token_malformed"),
        attack("j14", "a dot in front", [b".", token.as_slice()].concat(), "token_malformed"),
        attack("j14", "two parts", b"e30.e30".to_vec(), "token_malformed"),
        attack("j14", "one part", b"e30".to_vec(), "token_malformed"),
    ]
}

fn bombs(now: u64) -> Vec<Attack> {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = r#"{"a":"#.repeat(500) + "1" + &"}".repeat(500);
    let members: Vec<_> = (0..600).map(|index| format!(r#""{index}":0"#)).collect();
    let many_members = format!("{{{},\"0\":0}}", members.join(","));
    let values = |count| format!("[{}0]", "0,".repeat(count));
    let header_bomb = format!(r#"{{"alg":{},"kid":"key-1"}}"#, nested(1000));
    vec![
        attack(
            "j15",
            "2000 arrays in a claim",
            good(now).claim_text("x", &nested(2000)).sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j15",
            "16 arrays in a claim",
            good(now).claim_text("x", &nested(16)).sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j15",
            "500 objects in a claim",
            good(now).claim_text("x", &objects).sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j15",
            "arrays that never end",
            good(now).raw_payload("[".repeat(5000).as_bytes()).sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j15",
            "1000 arrays in the header",
            good(now).raw_header(header_bomb.as_bytes()).sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j15",
            "many members, the last one twice",
            good(now).claim_text("x", &many_members).sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j15",
            "a thousand values, forged",
            good(now).claim_text("x", &values(1000)).with_signature(&[1; 64]),
            "signature_invalid",
        ),
        attack(
            "j15",
            "thousands of values",
            good(now).claim_text("x", &values(2900)).sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j15",
            "a number of 4000 digits",
            good(now).claim_text("exp", &"9".repeat(4000)).sign(&victim()),
            "token_malformed",
        ),
    ]
}

/// Tokens that two readers would see differently.
fn polyglots(now: u64) -> Vec<Attack> {
    let payload = good(now).payload_bytes();
    let with = |front: &[u8], behind: &[u8]| {
        good(now).raw_payload(&[front, &payload, behind].concat()).sign(&victim())
    };
    let token = String::from_utf8(good(now).sign(&victim())).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, body) = input.split_once('.').unwrap();
    let respelt =
        |header: &str, body: &str, signature: &str| format!("{header}.{body}.{signature}").into_bytes();
    let second_object = format!(r#"{{"sub":"spiffe://{}/admin"}}"#, "example.org");
    let mut all = vec![
        attack("j16", "byte order mark", with(b"\xef\xbb\xbf", b""), "token_malformed"),
        attack("j16", "a second object behind", with(b"", second_object.as_bytes()), "token_malformed"),
        attack("j16", "NUL behind", with(b"", b"\0"), "token_malformed"),
        attack("j16", "a comment in front", with(b"/*x*/", b""), "token_malformed"),
        attack("j16", "a ZIP local header in front", with(b"PK\x03\x04", b""), "token_malformed"),
        attack("j16", "HTML behind", with(b"", b"<script>"), "token_malformed"),
        attack(
            "j16",
            "UTF-16",
            good(now)
                .raw_payload(&payload.iter().flat_map(|octet| [*octet, 0]).collect::<Vec<_>>())
                .sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j16",
            "invalid UTF-8",
            good(now).raw_payload(b"{\"sub\":\"\xff\"}").sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j16",
            "a lone surrogate",
            good(now).claim_text("x", r#""\ud800""#).sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j16",
            "single quotes",
            good(now).raw_payload(b"{'sub':'x'}").sign(&victim()),
            "token_malformed",
        ),
        attack(
            "j16",
            "padding on the signature",
            respelt(header, body, &format!("{signature}==")),
            "token_malformed",
        ),
        attack(
            "j16",
            "padding on the header",
            respelt(&format!("{header}="), body, signature),
            "token_malformed",
        ),
        attack(
            "j16",
            "a line break behind",
            respelt(header, body, &format!("{signature}\n")),
            "token_malformed",
        ),
        attack("j16", "a space in front", respelt(&format!(" {header}"), body, signature), "token_malformed"),
        attack(
            "j16",
            "a space in the payload",
            respelt(header, &format!(" {body}"), signature),
            "token_malformed",
        ),
        attack(
            "j16",
            "the classic alphabet",
            respelt(&b64(b"\xfb\xff").replace(['-', '_'], "+"), body, signature),
            "token_malformed",
        ),
        attack("j16", "percent-encoded dots", token.replace('.', "%2E").into_bytes(), "token_malformed"),
        attack("j16", "with its scheme", format!("Bearer {token}").into_bytes(), "token_malformed"),
        attack("j16", "two tokens", format!("{token},{token}").into_bytes(), "token_malformed"),
        attack(
            "j16",
            "empty header object",
            good(now).raw_header(b"{}").sign(&victim()),
            "algorithm_refused",
        ),
    ];
    let last = signature.chars().last().unwrap();
    let twins = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The last letter of 64 octets carries four bits of nothing.
    let index = twins.find(last).unwrap();
    let twin: String = twins.chars().nth(index + 1).into_iter().collect();
    let front = signature.strip_suffix(last).unwrap();
    all.push(attack(
        "j16",
        "a last letter with loose bits",
        respelt(header, body, &format!("{front}{twin}")),
        "token_malformed",
    ));
    all.push(attack(
        "j16",
        "typ of another kind of token",
        good(now).header("typ", json!("at+jwt")).sign(&victim()),
        "header_refused",
    ));
    all
}
