//! Tokens to disagree about: the forge's attacks, and mutations of valid tokens.

mod claims;
mod draft;
mod header;
mod signature;
mod subject;
mod text;
mod times;
mod values;

use std::sync::Arc;

use svidgate_forge::{Key, RsaKey, attacks_at, jwks};

use crate::ours::Trust;
use crate::rng::Rng;
use draft::Draft;

/// A token and whom to trust when judging it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The class of mutation or attack.
    pub class: &'static str,
    /// What was done, as far as it has a name.
    pub name: String,
    /// The token.
    pub token: Vec<u8>,
    /// Whom to trust.
    pub trust: Arc<Trust>,
    /// The moment that its times are about, in seconds since 1970.
    pub made_at: u64,
    /// Whether a second decides, so that it is judged as of [`made_at`](Self::made_at), and only implementations
    /// whose clock can be set may be asked.
    pub to_the_second: bool,
}

/// What valid tokens are made from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The forge's keys, with which a mutated token is signed anew: a valid signature over something odd.
    Forge,
    /// Tokens of another issuer, whose key we have not: a mutation breaks the signature.
    Issued(Vec<String>),
}

/// The trust domain whose keys the forge has, with a key of each kind.
#[must_use]
pub fn forge_keys() -> Vec<Key> {
    vec![Key::p256("key-1"), Key::rsa(RsaKey::Bits2048, "rsa-1"), Key::p384("key-2"), Key::p521("key-3")]
}

/// The JWKS of [`forge_keys`].
#[must_use]
pub fn forge_jwks() -> Vec<u8> {
    jwks(forge_keys().iter().map(Key::jwk))
}

/// Every attack of the forge, at this moment.
#[must_use]
pub fn attacks(now: u64) -> Vec<Case> {
    attacks_at(now)
        .into_iter()
        .map(|attack| {
            let domains = attack.trust.into_iter().map(|(name, jwks)| (name.to_owned(), jwks)).collect();
            Case {
                class: attack.class,
                name: attack.name,
                token: attack.token,
                trust: Arc::new(Trust::new(domains)),
                made_at: now,
                to_the_second: attack.class == "j19",
            }
        })
        .collect()
}

/// The mutation of this number: the same token for the same arguments, apart from the moment.
#[must_use]
pub fn mutation(seed: u64, index: usize, now: u64, source: &Source, trust: &Arc<Trust>) -> Case {
    let mut rng = Rng::new(seed, index);
    let (keys, draft) = match source {
        Source::Forge => {
            let keys = forge_keys();
            let key = rng.choose(&[0, 0, 0, 0, 0, 0, 1, 1, 2, 3]);
            let draft = Draft::new(&keys[key], now);
            (keys, draft)
        }
        Source::Issued(tokens) => {
            let token = &tokens[rng.below(tokens.len())];
            (Vec::new(), Draft::of(token))
        }
    };
    let classes: Vec<&Class> = match source {
        Source::Forge => CLASSES.iter().collect(),
        // Whatever is signed as it was is the same token.
        Source::Issued(_) => CLASSES.iter().filter(|class| !class.needs_keys).collect(),
    };
    let class = classes[index % classes.len()];
    let mut making = Making { rng, now, keys, draft, name: String::new() };
    let token = match class.mutate {
        Mutate::Draft(change) => {
            change(&mut making);
            making.draft.token()
        }
        Mutate::Token(change) => change(&mut making),
    };
    Case {
        class: class.name,
        name: making.name,
        token,
        trust: Arc::clone(trust),
        made_at: now,
        to_the_second: class.to_the_second,
    }
}

/// A mutation in the making.
struct Making {
    rng: Rng,
    now: u64,
    /// The forge's keys; none when the tokens are another's.
    keys: Vec<Key>,
    draft: Draft,
    name: String,
}

impl Making {
    fn name(&mut self, name: impl Into<String>) {
        if !self.name.is_empty() {
            self.name.push_str(", then ");
        }
        self.name.push_str(&name.into());
    }
}

/// A class of mutations.
struct Class {
    name: &'static str,
    mutate: Mutate,
    needs_keys: bool,
    to_the_second: bool,
}

enum Mutate {
    /// Changes the parts before they are signed.
    Draft(fn(&mut Making)),
    /// Makes the token itself.
    Token(fn(&mut Making) -> Vec<u8>),
}

const fn draft(name: &'static str, change: fn(&mut Making)) -> Class {
    Class { name, mutate: Mutate::Draft(change), needs_keys: false, to_the_second: false }
}

const fn token(name: &'static str, change: fn(&mut Making) -> Vec<u8>) -> Class {
    Class { name, mutate: Mutate::Token(change), needs_keys: false, to_the_second: false }
}

/// Every class; they take turns.
const CLASSES: &[Class] = &[
    draft("valid", values::valid),
    draft("header member added", header::added),
    draft("header member of another type", header::types),
    draft("header member missing", header::missing),
    draft("header member twice", header::twice),
    draft("header written otherwise", header::text),
    Class { needs_keys: true, ..draft("algorithm", header::algorithm) },
    draft("kid", header::key_id),
    draft("typ", header::typ),
    draft("claim of another type", claims::types),
    draft("claim missing", claims::missing),
    draft("claim twice", claims::twice),
    draft("payload written otherwise", claims::text),
    draft("claim added", claims::added),
    draft("audience", claims::audience),
    draft("subject", subject::subject),
    draft("times", times::times),
    Class { to_the_second: true, needs_keys: true, ..draft("times to the second", times::to_the_second) },
    token("signature", signature::changed),
    Class { needs_keys: true, ..token("signature swapped", signature::swapped) },
    Class { needs_keys: true, ..token("parts spliced", signature::spliced) },
    token("base64url", text::base64),
    token("parts", text::parts),
    token("whitespace", text::whitespace),
    token("cut", text::cut),
    token("bit of the text", text::bit_of_text),
    token("bit of a part", text::bit_of_part),
    Class { needs_keys: true, ..token("bit of a part, signed", text::bit_signed) },
    Class { needs_keys: true, ..draft("several", several) },
];

/// Two or three mutations of header and payload in one token.
fn several(making: &mut Making) {
    const CHANGES: &[fn(&mut Making)] = &[
        values::valid,
        header::added,
        header::twice,
        header::typ,
        header::key_id,
        header::text,
        claims::types,
        claims::twice,
        claims::added,
        claims::audience,
        claims::text,
        subject::subject,
        times::times,
    ];
    for _ in 0..2 + making.rng.below(2) {
        let change = making.rng.choose(CHANGES);
        change(making);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_tokens_and_most_of_them_differ() {
        let trust = Arc::new(Trust::new(vec![("example.org".into(), forge_jwks())]));
        let make = |seed, index| mutation(seed, index, 1_700_000_000, &Source::Forge, &trust);
        let mut tokens = BTreeMap::new();
        for index in 0..400 {
            let case = make(1, index);
            assert_eq!(case.token, make(1, index).token, "{}", case.class);
            tokens.entry(case.token).or_insert(case.class);
        }
        assert!(tokens.len() > 360, "{}", tokens.len());
        let other: Vec<_> = (0..50).filter(|index| make(1, *index).token != make(2, *index).token).collect();
        assert!(other.len() > 40, "{}", other.len());
    }
}
