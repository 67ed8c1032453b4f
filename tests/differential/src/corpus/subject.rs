use serde_json::Value;
use svidgate_forge::SUBJECT;

use super::Making;
use super::draft::set;
use crate::rng::Rng;

pub(super) fn subject(making: &mut Making) {
    let id = odd_id(&mut making.rng);
    making.name(format!("sub {:?}", id.chars().take(60).collect::<String>()));
    set(making.draft.claims_mut(), "sub", Value::from(id).to_string());
}

/// A SPIFFE ID of the trust domain, by the whole alphabet of the grammar.
pub(super) fn valid_id(rng: &mut Rng) -> String {
    const ALPHABET: &[u8] = b"ABCXYZabcxyz019._-";
    let mut id = String::from("spiffe://example.org");
    for _ in 0..rng.below(5) {
        id.push('/');
        let start = id.len();
        for _ in 0..=rng.below(12) {
            id.push(char::from(rng.choose(ALPHABET)));
        }
        if matches!(&id[start..], "." | "..") {
            id.push('x');
        }
    }
    id
}

fn odd_id(rng: &mut Rng) -> String {
    let path = "/".to_owned() + &"p".repeat(100);
    match rng.below(22) {
        0 => valid_id(rng),
        1 => rng
            .pick(&[
                "",
                "x",
                "/",
                "client",
                "spiffe",
                "spiffe:",
                "spiffe:/",
                "spiffe://",
                "spiffe:///",
                "spiffe:///client",
                "//example.org/client",
                "https://example.org/client",
                "SPIFFE://example.org/client",
                "Spiffe://example.org/client",
                " spiffe://example.org/client",
                "spiffe:/example.org/client",
                "spiffe:example.org/client",
                "spiffe\u{ff1a}//example.org/client",
                "system:serviceaccount:shop:cart",
            ])
            .to_owned(),
        2 => SUBJECT.replace("example.org", "EXAMPLE.ORG"),
        3 => SUBJECT.replace("example.org", "example.org:8443"),
        4 => SUBJECT.replace("example.org", "user@example.org"),
        5 => SUBJECT.replace("example.org", "example.org@other.org"),
        6 => SUBJECT.replace("example.org", "example%2eorg"),
        7 => SUBJECT.replace(
            "example.org",
            rng.pick(&["other.org", "a.example.org", "example.org.", "example", "exampleXorg"]),
        ),
        8 => SUBJECT.replace(
            "example.org",
            rng.pick(&["127.0.0.1", "[::1]", "xn--bcher-kva.example", "b\u{fc}cher.example"]),
        ),
        9 => format!("{SUBJECT}/"),
        10 => SUBJECT.replace("/client", "//client"),
        11 => SUBJECT.replace(
            "/client",
            rng.pick(&["/./client", "/../client", "/client/..", "/client/.", "/...", "/.client"]),
        ),
        12 => format!("{SUBJECT}?x=1"),
        13 => format!("{SUBJECT}#x"),
        14 => SUBJECT.replace("client", "cli%65nt"),
        15 => SUBJECT.replace("client", "cli ent"),
        16 => SUBJECT.replace("client", "cli\u{e9}nt"),
        17 => {
            let wanted: usize = rng.choose(&[2047, 2048, 2049, 3000]);
            let mut id = String::from("spiffe://example.org");
            while id.len() + path.len() <= wanted {
                id.push_str(&path);
            }
            if id.len() + 1 < wanted {
                id.push('/');
            }
            let left = wanted.saturating_sub(id.len()).max(1);
            id + &"q".repeat(left)
        }
        18 => format!("spiffe://{}/client", "a".repeat(rng.choose(&[1, 255, 256, 300]))),
        19 => {
            // Any character anywhere.
            let mut id = SUBJECT.to_owned();
            let at = rng.below(id.len() + 1);
            let c = char::from(rng.below(128) as u8);
            id.insert(at, c);
            id
        }
        20 => {
            let mut id = SUBJECT.to_owned();
            id.remove(rng.below(id.len()));
            id
        }
        _ => {
            // One character replaced.
            let mut id = SUBJECT.as_bytes().to_vec();
            let at = rng.below(id.len());
            id[at] = rng.below(128) as u8;
            String::from_utf8(id).unwrap()
        }
    }
}
