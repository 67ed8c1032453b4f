use crate::question::Question;

/// Cases of one origin.
#[derive(Clone, Debug)]
pub struct Suite {
    /// A name that is stable, because dispositions cite it.
    pub name: String,
    /// The cases, each with a name of its own.
    pub cases: Vec<Case>,
    /// Vectors of the same file that cannot be put as a question to us, such as a signature with a hash that no
    /// `alg` names.
    pub left_out: usize,
}

/// A question and both answers to it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its number or name in the suite.
    pub id: String,
    /// What the vector says.
    pub expected: Expected,
    /// What we say.
    pub ours: Ours,
    /// The question itself, where it came to the verification of a signature or a token: to be put elsewhere too.
    pub question: Option<Question>,
}

/// What a vector says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It must be accepted.
    Valid,
    /// One may accept it; we must not.
    Acceptable,
    /// It must be refused.
    Invalid,
    /// It must be refused for this reason, a word of the closed list.
    InvalidFor(&'static str),
}

/// What we say of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ours {
    /// It is good.
    Accepted,
    /// It is not; why.
    Refused(String),
}

/// An answer with its question.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What we say.
    pub ours: Ours,
    /// What was asked.
    pub question: Option<Question>,
}

impl From<Ours> for Judged {
    fn from(ours: Ours) -> Self {
        Self { ours, question: None }
    }
}

impl Suite {
    /// A suite of these cases with nothing left out.
    #[must_use]
    pub fn new(name: impl Into<String>, cases: Vec<Case>) -> Self {
        Self { name: name.into(), cases, left_out: 0 }
    }
}

impl Case {
    /// A case.
    #[must_use]
    pub fn new(id: impl Into<String>, expected: Expected, judged: impl Into<Judged>) -> Self {
        let Judged { ours, question } = judged.into();
        Self { id: id.into(), expected, ours, question }
    }

    /// Whether both answers agree. "Acceptable" counts as "must be refused": we take the strict reading.
    #[must_use]
    pub fn agrees(&self) -> bool {
        match (self.expected, &self.ours) {
            (Expected::Valid, Ours::Accepted)
            | (Expected::Acceptable | Expected::Invalid, Ours::Refused(_)) => true,
            (Expected::InvalidFor(reason), Ours::Refused(given)) => reason == given,
            _ => false,
        }
    }
}

impl Expected {
    /// The word for reports and dispositions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Acceptable => "acceptable",
            Self::Invalid | Self::InvalidFor(_) => "invalid",
        }
    }
}

impl Ours {
    /// The word for reports and dispositions.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused(_) => "refused",
        }
    }

    /// From a result.
    pub(crate) fn of<T, E: ToString>(result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}
