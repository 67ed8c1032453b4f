//! The plaintext of the section. A value is base64url, so that reading and writing it escapes nothing: whatever JSON
//! unescapes goes through memory that is not wiped.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Credential, CredentialKind, Credentials, MAX_CREDENTIAL_BYTES, MAX_CREDENTIALS};
use crate::unique_map;

impl Credentials {
    /// Equal credentials have equal bytes. Written by hand into room for all of it: a buffer that grows leaves copies
    /// behind. Neither a name nor a kind nor base64url has a character that JSON escapes.
    pub(super) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let room = self.iter().fold(2_usize, |room, (name, one)| {
            let value = one.map_or(0, |one| one.expose().len()).saturating_mul(2);
            room.saturating_add(name.len()).saturating_add(value).saturating_add(PUNCTUATION)
        });
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        let mut push = |part: &str| text.extend_from_slice(part.as_bytes());
        push("{");
        for (position, (name, one)) in self.iter().enumerate() {
            [if position == 0 { "\"" } else { ",\"" }, name, "\":"].into_iter().for_each(&mut push);
            let Some(one) = one else {
                push("null");
                continue;
            };
            let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(one.expose()));
            [r#"{"kind":""#, one.kind().as_str(), r#"","value":""#, &value, "\""]
                .into_iter()
                .for_each(&mut push);
            if let Some(not_after) = one.not_after() {
                push(&format!(r#","not_after":{not_after}"#));
            }
            push("}");
        }
        push("}");
        text
    }

    /// Reads what [`Self::to_json`] wrote, and nothing else.
    pub(super) fn from_json(text: &[u8]) -> Option<Self> {
        let Members(members) = serde_json::from_slice(text).ok()?;
        if members.len() > MAX_CREDENTIALS {
            return None;
        }
        let mut credentials = Self::default();
        for (name, member) in members {
            let Some(member) = member else {
                credentials.add_unknown(&name).then_some(())?;
                continue;
            };
            let kind = CredentialKind::ALL.into_iter().find(|kind| kind.as_str() == member.kind)?;
            let credential = Credential::new(kind, decode(member.value)?, member.not_after).ok()?;
            credentials.add(&name, credential).then_some(())?;
        }
        Some(credentials)
    }
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; MAX_CREDENTIAL_BYTES]);
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(len);
    Some(bytes)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member<'a> {
    kind: &'a str,
    value: &'a str,
    #[serde(default, deserialize_with = "unique_map::some")]
    not_after: Option<u64>,
}

#[derive(Deserialize)]
struct Members<'a>(
    #[serde(borrow, deserialize_with = "unique_map::by_text")] BTreeMap<String, Option<Member<'a>>>,
);

/// Quotes, colons, commas, names of members and a kind, and a time of 20 digits.
const PUNCTUATION: usize = 80;
