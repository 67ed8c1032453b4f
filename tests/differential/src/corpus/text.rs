use svidgate_forge::b64;

use super::Making;

pub(super) fn base64(making: &mut Making) -> Vec<u8> {
    let token = making.draft.token();
    let mut parts: Vec<Vec<u8>> = token.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect();
    let rng = &mut making.rng;
    let which = rng.below(parts.len());
    let part = &mut parts[which];
    let name = match rng.below(8) {
        0 => {
            part.extend_from_slice(rng.choose(&[b"=".as_slice(), b"==", b"===", b"%3D"]));
            "padding"
        }
        1 => {
            for byte in part.iter_mut() {
                *byte = match *byte {
                    b'-' => b'+',
                    b'_' => b'/',
                    other => other,
                };
            }
            "the classic alphabet"
        }
        2..5 => {
            let at = rng.below(part.len() + 1);
            part.insert(at, rng.choose(b"\n\r\t \0=.,+/~*\x7f\x80\xff"));
            "a foreign byte inside"
        }
        5 => {
            // Loose bits of the last letter, where there are any.
            if let Some(last) = part.last_mut() {
                let at = ALPHABET.iter().position(|letter| letter == last).unwrap_or(0);
                *last = ALPHABET[(at & !3) | rng.below(4)];
            }
            "loose bits"
        }
        6 => {
            let at = rng.below(part.len());
            part.remove(at);
            "a letter less"
        }
        _ => {
            let at = rng.below(part.len());
            part[at] = rng.choose(ALPHABET);
            "another letter"
        }
    };
    making.name(format!("{name} in part {which}"));
    parts.join(&b'.')
}

pub(super) fn parts(making: &mut Making) -> Vec<u8> {
    let token = making.draft.token();
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let [header, payload, signature] = parts[..] else { panic!("a token has three parts") };
    let rng = &mut making.rng;
    let (name, parts): (_, Vec<&[u8]>) = match rng.below(16) {
        0 => ("no signature part", vec![header, payload]),
        1 => ("empty signature", vec![header, payload, b""]),
        2 => ("empty payload", vec![header, b"", signature]),
        3 => ("empty header", vec![b"", payload, signature]),
        4 => ("a fourth part", vec![header, payload, signature, b"e30"]),
        5 => ("an empty fourth part", vec![header, payload, signature, b""]),
        6 => ("an empty part in front", vec![b"", header, payload, signature]),
        7 => ("header and payload swapped", vec![payload, header, signature]),
        8 => ("signature in front", vec![signature, header, payload]),
        9 => ("header alone", vec![header]),
        10 => ("five parts", vec![header, payload, signature, payload, signature]),
        11 => ("header twice", vec![header, header, signature]),
        12 => ("payload twice", vec![payload, payload, signature]),
        13 => ("dots only", vec![b"".as_slice(); 1 + rng.below(50)]),
        14 => ("nothing", vec![b""]),
        _ => ("all empty", vec![b"", b"", b""]),
    };
    making.name(name);
    parts.join(&b'.')
}

pub(super) fn whitespace(making: &mut Making) -> Vec<u8> {
    let token = making.draft.token();
    let space = making.rng.choose(&[
        b" ".as_slice(),
        b"\n",
        b"\r\n",
        b"\t",
        b"  ",
        b"\0",
        b"\xc2\xa0",
        b"\xef\xbb\xbf",
        b"\x0b",
        b"\x0c",
        b"+",
    ]);
    let (name, changed) = match making.rng.below(6) {
        0 => ("in front", [space, &token].concat()),
        1 => ("behind", [token.as_slice(), space].concat()),
        2 => ("around", [space, &token, space].concat()),
        3 => ("around the dots", {
            let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
            parts.join([space, b".", space].concat().as_slice())
        }),
        4 => ("quoted", [b"\"", token.as_slice(), b"\""].concat()),
        _ => ("with a scheme", [b"Bearer ", token.as_slice()].concat()),
    };
    making.name(format!("{space:?} {name}"));
    changed
}

pub(super) fn cut(making: &mut Making) -> Vec<u8> {
    let token = making.draft.token();
    let rng = &mut making.rng;
    let (from, to) = (rng.below(token.len()), rng.below(token.len()));
    let (name, changed) = match rng.below(4) {
        0 => ("the end is missing", token[..from].to_vec()),
        1 => ("the start is missing", token[from..].to_vec()),
        2 => ("the middle is missing", {
            let (from, to) = (from.min(to), from.max(to));
            [&token[..from], &token[to..]].concat()
        }),
        _ => ("a piece twice", [&token[..from], &token[from.saturating_sub(10)..]].concat()),
    };
    making.name(name);
    changed
}

pub(super) fn bit_of_text(making: &mut Making) -> Vec<u8> {
    let mut token = making.draft.token();
    for _ in 0..=making.rng.below(2) {
        let at = making.rng.below(token.len());
        token[at] ^= 1 << making.rng.below(8);
    }
    token
}

/// A bit of the decoded header, payload or signature, with the signature as it was.
pub(super) fn bit_of_part(making: &mut Making) -> Vec<u8> {
    let mut parts = [making.draft.header_bytes(), making.draft.payload_bytes(), making.draft.signature()];
    let which = making.rng.below(3);
    let at = making.rng.below(parts[which].len());
    parts[which][at] ^= 1 << making.rng.below(8);
    making.name(format!("part {which}, byte {at}"));
    parts.map(|part| b64(&part)).join(".").into_bytes()
}

/// The same in header or payload, then signed: a valid signature over a slip of the pen.
pub(super) fn bit_signed(making: &mut Making) -> Vec<u8> {
    let (mut header, mut payload) = (making.draft.header_bytes(), making.draft.payload_bytes());
    for _ in 0..=making.rng.below(2) {
        let part = if making.rng.one_in(3) { &mut header } else { &mut payload };
        let at = making.rng.below(part.len());
        part[at] ^= 1 << making.rng.below(8);
    }
    making.draft.header_text = Some(header);
    making.draft.payload_text = Some(payload);
    making.draft.token()
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
