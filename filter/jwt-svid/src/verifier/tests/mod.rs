use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, SUBJECT, Token, b64, compact};

use super::*;
use crate::testing::{
    AT, bundle, bundles, config, key, nested, refusal, trust_domain, verifier, verifier_with, verify,
};
use crate::{
    Algorithm, AlgorithmSet, Audiences, Claim, DenyReason, HeaderMember, JsonError, Part, RustCrypto,
    SpiffeIdError,
};

mod cache;
mod claims;
mod explain;
mod identity;
mod keys;
mod outcome;
mod token;

fn good() -> Token {
    Token::new(&key())
}

fn signed(token: &Token) -> Vec<u8> {
    token.sign(&key())
}
