use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use svidgate_forge::{AUDIENCE, Key, SUBJECT, b64};

/// Members as they are written: the JSON text of the name, the JSON text of the value.
pub(super) type Members = Vec<(String, String)>;

/// A token before it is put together.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) header: Members,
    pub(super) claims: Members,
    /// Replaces the text of the header.
    pub(super) header_text: Option<Vec<u8>>,
    /// Replaces the text of the payload.
    pub(super) payload_text: Option<Vec<u8>>,
    pub(super) signer: Signer,
}

/// Where the signature comes from.
#[derive(Clone)]
pub(super) enum Signer {
    /// A key, with this algorithm, whatever the header says.
    Key(Box<Key>, &'static str),
    /// The token that was taken apart.
    Original(Vec<u8>),
}

impl Draft {
    /// A valid token of the key: as SPIRE makes them.
    pub(super) fn new(key: &Key, now: u64) -> Self {
        let text = |text: &str| Value::from(text).to_string();
        let header = [("alg", text(key.algorithm())), ("kid", text(key.kid())), ("typ", text("JWT"))];
        let claims = [
            ("aud", format!("[{}]", text(AUDIENCE))),
            ("exp", (now + 300).to_string()),
            ("iat", now.to_string()),
            ("sub", text(SUBJECT)),
        ];
        let members = |members: &[(&str, String)]| {
            members.iter().map(|(name, value)| (text(name), value.clone())).collect()
        };
        Self {
            header: members(&header),
            claims: members(&claims),
            header_text: None,
            payload_text: None,
            signer: Signer::Key(Box::new(key.clone()), key.algorithm()),
        }
    }

    /// A token taken apart.
    pub(super) fn of(token: &str) -> Self {
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url")).collect();
        let members = |part: &[u8]| {
            let value: Value = serde_json::from_slice(part).expect("JSON");
            let members = value.as_object().expect("an object").iter();
            members.map(|(name, value)| (Value::from(name.as_str()).to_string(), value.to_string())).collect()
        };
        Self {
            header: members(&parts[0]),
            claims: members(&parts[1]),
            // Exactly as it was, until a mutation touches it.
            header_text: Some(parts[0].clone()),
            payload_text: Some(parts[1].clone()),
            signer: Signer::Original(parts[2].clone()),
        }
    }

    pub(super) fn header_mut(&mut self) -> &mut Members {
        self.header_text = None;
        &mut self.header
    }

    pub(super) fn claims_mut(&mut self) -> &mut Members {
        self.payload_text = None;
        &mut self.claims
    }

    pub(super) fn header_bytes(&self) -> Vec<u8> {
        self.header_text.clone().unwrap_or_else(|| object(&self.header))
    }

    pub(super) fn payload_bytes(&self) -> Vec<u8> {
        self.payload_text.clone().unwrap_or_else(|| object(&self.claims))
    }

    pub(super) fn signing_input(&self) -> Vec<u8> {
        [b64(&self.header_bytes()), b64(&self.payload_bytes())].join(".").into_bytes()
    }

    pub(super) fn signature(&self) -> Vec<u8> {
        match &self.signer {
            Signer::Key(key, algorithm) => key.sign_as(algorithm, &self.signing_input()),
            Signer::Original(signature) => signature.clone(),
        }
    }

    pub(super) fn with_signature(&self, signature: &[u8]) -> Vec<u8> {
        [self.signing_input(), b64(signature).into_bytes()].join(&b'.')
    }

    pub(super) fn token(&self) -> Vec<u8> {
        self.with_signature(&self.signature())
    }
}

fn object(members: &Members) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// Sets a member to a JSON text.
pub(super) fn set(members: &mut Members, name: &str, value: impl Into<String>) {
    let name = Value::from(name).to_string();
    let value = value.into();
    match members.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => members.push((name, value)),
    }
}

/// Removes a member.
pub(super) fn remove(members: &mut Members, name: &str) {
    let name = Value::from(name).to_string();
    members.retain(|(known, _)| *known != name);
}

/// A name as JSON text, some of its characters escaped.
pub(super) fn escaped(name: &str, which: usize) -> String {
    let escaped: Vec<String> =
        name.chars()
            .enumerate()
            .map(|(at, c)| {
                if at == which % name.len().max(1) {
                    format!("\\u{:04x}", u32::from(c))
                } else {
                    c.to_string()
                }
            })
            .collect();
    format!("\"{}\"", escaped.concat())
}
