//! What verification tells about its way; `verify` and `explain` walk the same code and differ in the listener only.

use alloc::string::String;
use alloc::vec::Vec;

use crate::algorithm::Algorithm;
use crate::error::VerifyError;
use crate::spiffe_id::SpiffeId;
use crate::svid::VerifiedSvid;
use crate::unix_time::UnixTime;

/// A step of verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The bytes are not too many.
    Size,
    /// Three parts of strict base64url.
    Structure,
    /// A strict header with nothing that may not be there.
    Header,
    /// An algorithm of the standard that is allowed here.
    Algorithm,
    /// A strict payload, registered claims of the right types.
    Claims,
    /// `sub` is a SPIFFE ID.
    SpiffeId,
    /// There is a bundle of its trust domain.
    Bundle,
    /// The bundle has the key.
    Key,
    /// The key is for the algorithm.
    KeyAlgorithm,
    /// The token is for us.
    Audience,
    /// The token is neither too old nor too new.
    Times,
    /// The signature is the key's.
    Signature,
}

impl Step {
    /// Every step in the order of verification: cheap before dear.
    pub const ALL: &'static [Self] = &[
        Self::Size,
        Self::Structure,
        Self::Header,
        Self::Algorithm,
        Self::Claims,
        Self::SpiffeId,
        Self::Bundle,
        Self::Key,
        Self::KeyAlgorithm,
        Self::Audience,
        Self::Times,
        Self::Signature,
    ];

    /// A stable name for machine-readable reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Structure => "structure",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::Claims => "claims",
            Self::SpiffeId => "spiffe_id",
            Self::Bundle => "bundle",
            Self::Key => "key",
            Self::KeyAlgorithm => "key_algorithm",
            Self::Audience => "audience",
            Self::Times => "times",
            Self::Signature => "signature",
        }
    }
}

/// Something that a step found in the token or looked it up against, for the person who holds the token.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fact {
    /// The size of the token in bytes.
    TokenBytes(usize),
    /// The `kid` of the header.
    KeyId(String),
    /// The algorithm of the header.
    Algorithm(Algorithm),
    /// The text of `sub`, a SPIFFE ID or not.
    Subject(String),
    /// `sub` as a SPIFFE ID.
    SpiffeId(SpiffeId),
    /// The trust domains of which there are bundles.
    TrustDomains(Vec<String>),
    /// The `kid`s of the trust domain's bundle.
    BundleKeyIds(Vec<String>),
    /// The algorithms that the key may verify.
    KeyAlgorithms(Vec<Algorithm>),
    /// The audiences that the token is for.
    TokenAudiences(Vec<String>),
    /// The audiences that the verifier answers to.
    ExpectedAudiences(Vec<String>),
    /// The moment of verification.
    Now(UnixTime),
    /// The tolerance on times, in seconds.
    ClockSkew(u64),
    /// `exp`.
    ExpiresAt(UnixTime),
    /// `nbf`.
    NotBefore(UnixTime),
    /// `iat`.
    IssuedAt(UnixTime),
    /// The maximum age, in seconds.
    MaxAge(u64),
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was well.
    Passed,
    /// Here the token was refused.
    Failed(VerifyError),
    /// The token was refused before.
    NotReached,
}

/// A step, how it went, and what it found.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The step.
    pub step: Step,
    /// How it went.
    pub outcome: Outcome,
    /// What it found. Claims of the token, unproved unless all steps passed: for the token's holder, never for logs.
    pub facts: Vec<Fact>,
}

/// The whole way of one token through verification.
#[derive(Debug)]
pub struct Explanation {
    /// One report for each of [`Step::ALL`], in that order.
    pub steps: Vec<StepReport>,
    /// What [`Verifier::verify`](crate::Verifier::verify) returns for the same arguments.
    pub result: Result<VerifiedSvid, VerifyError>,
}

/// A listener of verification.
pub(super) trait Trace {
    /// A step begins; the one before it has passed.
    fn enter(&mut self, step: Step);
    /// The step found something. The closure runs only when someone listens.
    fn fact(&mut self, fact: impl FnOnce() -> Fact);
}

/// Listens to nothing; costs nothing.
pub(super) struct Silent;

impl Trace for Silent {
    fn enter(&mut self, _: Step) {}
    fn fact(&mut self, _: impl FnOnce() -> Fact) {}
}

/// Writes everything down.
#[derive(Default)]
pub(super) struct Recorder {
    entered: Vec<(Step, Vec<Fact>)>,
}

impl Recorder {
    pub(super) fn finish(self, result: Result<VerifiedSvid, VerifyError>) -> Explanation {
        let last = self.entered.last().map(|(step, _)| *step);
        let mut entered = self.entered.into_iter();
        let steps = Step::ALL
            .iter()
            .map(|step| match (entered.next(), &result) {
                (None, _) => StepReport { step: *step, outcome: Outcome::NotReached, facts: Vec::new() },
                (Some((step, facts)), Err(error)) if Some(step) == last => {
                    StepReport { step, outcome: Outcome::Failed(*error), facts }
                }
                (Some((step, facts)), _) => StepReport { step, outcome: Outcome::Passed, facts },
            })
            .collect();
        Explanation { steps, result }
    }
}

impl Trace for Recorder {
    fn enter(&mut self, step: Step) {
        self.entered.push((step, Vec::new()));
    }

    fn fact(&mut self, fact: impl FnOnce() -> Fact) {
        if let Some((_, facts)) = self.entered.last_mut() {
            facts.push(fact());
        }
    }
}
