//! The list as JSON: in snapshots, in the controller's state file and in what its admin socket says.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Deserialize as DeserializeDerive, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use svidgate_jwt_svid::{SpiffeId, TrustDomain, UnixTime};

use super::Revocations;
use crate::error::SnapshotError;
use crate::limits::Limits;

impl Revocations {
    /// Reads what [`Serialize`] writes. Unknown members, entries that stand twice and wrong types are refused.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`], [`SnapshotError::TooManyRevocations`], [`SnapshotError::RevocationsTooLarge`].
    pub fn from_json(text: &str, limits: &Limits) -> Result<Self, SnapshotError> {
        check_size(text.len(), limits)?;
        let lists: Lists = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        let actual = lists.kids.len().saturating_add(lists.jtis.len()).saturating_add(lists.subjects.len());
        check_number(actual, limits)?;
        lists.revocations()
    }

    /// The JSON text, which is the same for equal lists.
    pub(crate) fn to_raw(&self, limits: &Limits) -> Result<Box<RawValue>, SnapshotError> {
        check_number(self.len(), limits)?;
        let raw = to_raw_value(self).map_err(|error| malformed(&error))?;
        check_size(raw.get().len(), limits)?;
        Ok(raw)
    }
}

pub(crate) fn check_size(actual: usize, limits: &Limits) -> Result<(), SnapshotError> {
    let limit = limits.max_revocations_bytes;
    if actual > limit { Err(SnapshotError::RevocationsTooLarge { limit, actual }) } else { Ok(()) }
}

fn check_number(actual: usize, limits: &Limits) -> Result<(), SnapshotError> {
    let limit = limits.max_revocations;
    if actual > limit { Err(SnapshotError::TooManyRevocations { limit, actual }) } else { Ok(()) }
}

impl Serialize for Revocations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kids = self.kids().map(|(domain, kid)| KidOut { trust_domain: domain.as_str(), kid });
        let jtis = self.jtis().map(|(domain, jti, expires_at)| JtiOut {
            trust_domain: domain.as_str(),
            jti,
            expires_at: expires_at.as_secs(),
        });
        let subjects = self.subjects().map(|(subject, issued_before)| SubjectOut {
            spiffe_id: subject.as_str(),
            issued_before: issued_before.as_secs(),
        });
        let lists = ListsOut { kids: kids.collect(), jtis: jtis.collect(), subjects: subjects.collect() };
        lists.serialize(serializer)
    }
}

#[derive(Serialize)]
struct ListsOut<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kids: Vec<KidOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    jtis: Vec<JtiOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subjects: Vec<SubjectOut<'a>>,
}

#[derive(Serialize)]
struct KidOut<'a> {
    trust_domain: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct JtiOut<'a> {
    trust_domain: &'a str,
    jti: &'a str,
    expires_at: u64,
}

#[derive(Serialize)]
struct SubjectOut<'a> {
    spiffe_id: &'a str,
    issued_before: u64,
}

#[derive(DeserializeDerive)]
#[serde(deny_unknown_fields)]
struct Lists {
    #[serde(default)]
    kids: Vec<Kid>,
    #[serde(default)]
    jtis: Vec<Jti>,
    #[serde(default)]
    subjects: Vec<Subject>,
}

#[derive(DeserializeDerive)]
#[serde(deny_unknown_fields)]
struct Kid {
    #[serde(deserialize_with = "parsed")]
    trust_domain: TrustDomain,
    kid: String,
}

#[derive(DeserializeDerive)]
#[serde(deny_unknown_fields)]
struct Jti {
    #[serde(deserialize_with = "parsed")]
    trust_domain: TrustDomain,
    jti: String,
    expires_at: u64,
}

#[derive(DeserializeDerive)]
#[serde(deny_unknown_fields)]
struct Subject {
    #[serde(deserialize_with = "parsed")]
    spiffe_id: SpiffeId,
    issued_before: u64,
}

impl Lists {
    fn revocations(self) -> Result<Revocations, SnapshotError> {
        let mut list = Revocations::default();
        for Kid { trust_domain, kid } in self.kids {
            once(list.add_kid(trust_domain, &kid))?;
        }
        for Jti { trust_domain, jti, expires_at } in self.jtis {
            let again = list.jti_expires_at(&trust_domain, &jti).is_some();
            once(list.add_jti(trust_domain, &jti, UnixTime(expires_at)).map(|_| !again))?;
        }
        for Subject { spiffe_id, issued_before } in self.subjects {
            let again = list.subject_issued_before(&spiffe_id).is_some();
            once(list.add_subject(spiffe_id, UnixTime(issued_before)).map(|_| !again))?;
        }
        Ok(list)
    }
}

fn once(added: Result<bool, impl Display>) -> Result<(), SnapshotError> {
    match added {
        Ok(true) => Ok(()),
        Ok(false) => Err(SnapshotError::Malformed("a revocation stands twice".to_owned())),
        Err(error) => Err(SnapshotError::Malformed(format!("a revocation's value {error}"))),
    }
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
    text.parse().map_err(|error| D::Error::custom(format!("a revocation's name {error}")))
}

fn malformed(error: &serde_json::Error) -> SnapshotError {
    SnapshotError::Malformed(error.to_string())
}
