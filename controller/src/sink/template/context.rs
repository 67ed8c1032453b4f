//! What templates see: `secrets`, `leases`, `svid`, `bundles`; for ready ones also `secret`, `x509` and `with`. Everything
//! that is asked for and not there is noted, so that an error can name it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::Object;
use minijinja::{ErrorKind, Value};
use secrecy::ExposeSecret as _;

use super::RenderError;
use crate::clock;
use crate::secrets::Secret;
use crate::source::x509::X509;

/// What an operator's template may begin with.
pub(super) const ROOTS: [&str; 4] = ["secrets", "leases", "svid", "bundles"];

/// Errors of our own filters, whose texts hold no value.
pub(super) const OURS: ErrorKind = ErrorKind::BadEscape;

/// What there is at one moment.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Every secret that is configured; none where it was not received, or has ended.
    pub secrets: BTreeMap<String, Option<Arc<Secret>>>,
    /// The X.509-SVID with its bundles.
    pub svid: Option<Arc<X509>>,
    /// JWK sets by trust domain.
    pub jwt_bundles: BTreeMap<String, Arc<str>>,
}

/// What a template asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    used: BTreeMap<String, Arc<Secret>>,
    /// Things that come.
    waits: Vec<String>,
    /// Things that do not come by waiting.
    absent: Vec<String>,
}

impl Asked {
    pub(super) fn used(&self) -> Vec<Arc<Secret>> {
        self.lock().used.values().cloned().collect()
    }

    /// Why nothing was rendered. What is missing says more than the engine's error, which may hold a value.
    pub(super) fn explain(&self, error: &minijinja::Error) -> RenderError {
        let notes = self.lock();
        if !notes.waits.is_empty() {
            return RenderError::Waiting(notes.waits.clone());
        }
        let place = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
        if let Some(absent) = notes.absent.first() {
            return RenderError::Failed(format!("{place}there is no {absent}"));
        }
        let ours = error.detail().filter(|_| error.kind() == OURS);
        RenderError::Failed(format!(
            "{place}{}",
            ours.map_or_else(|| error.kind().to_string(), str::to_owned)
        ))
    }

    fn waits_for(&self, what: impl Into<String>) {
        let (mut notes, what) = (self.lock(), what.into());
        if !notes.waits.contains(&what) {
            notes.waits.push(what);
        }
    }

    fn lacks(&self, what: impl Into<String>) {
        self.lock().absent.push(what.into());
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The whole context.
#[derive(Debug)]
pub(super) struct Root {
    inputs: Inputs,
    asked: Asked,
    ready: Option<(Option<String>, Value)>,
}

impl Root {
    pub(super) fn new(inputs: &Inputs, asked: &Asked, ready: Option<(Option<String>, Value)>) -> Self {
        Self { inputs: inputs.clone(), asked: asked.clone(), ready }
    }

    fn secret(&self, name: &str) -> Option<Arc<Secret>> {
        match self.inputs.secrets.get(name) {
            Some(Some(secret)) => {
                self.asked.lock().used.insert(name.to_owned(), Arc::clone(secret));
                Some(Arc::clone(secret))
            }
            Some(None) => {
                self.asked.waits_for(format!("secret {name}"));
                None
            }
            None => {
                self.asked.lacks(format!("secret {name} in the settings"));
                None
            }
        }
    }

    fn fields(&self, name: &str) -> Option<Value> {
        self.secret(name).map(|secret| Value::from_object(Fields { secret, asked: self.asked.clone() }))
    }

    fn lease(&self, name: &str) -> Option<Value> {
        let secret = self.secret(name)?;
        let end = secret.not_after().map(|end| clock::rfc3339(clock::millis_of(end)));
        Some(Value::from_pairs([("not_after", Value::from(end)), ("version", Value::from(secret.version()))]))
    }

    fn svid(&self) -> Option<Value> {
        let Some(svid) = &self.inputs.svid else {
            self.asked.waits_for("the X.509-SVID");
            return None;
        };
        Some(Value::from_pairs([
            ("spiffe_id", Value::from(svid.spiffe_id.as_str())),
            ("certificate", Value::from(svid.certificate.as_str())),
            ("private_key", Value::from(svid.private_key.as_str())),
            ("bundle", Value::from(svid.bundle.as_str())),
        ]))
    }

    /// Key, chain and authorities, of the SVID or of a secret of kind `pki`.
    fn x509(&self) -> Option<Value> {
        let Some(name) = self.ready.as_ref().and_then(|(secret, _)| secret.as_deref()) else {
            return self.svid();
        };
        let secret = self.secret(name)?;
        let part =
            |field: &str| secret.text(field).map(|text| text.expose_secret().to_owned()).unwrap_or_default();
        let (leaf, issuer, chain) = (part("certificate"), part("issuing_ca"), part("ca_chain"));
        let above = if chain.is_empty() { issuer } else { chain };
        Some(Value::from_pairs([
            ("private_key", Value::from(part("private_key"))),
            ("certificate", Value::from(format!("{}\n{above}", leaf.trim_end()))),
            ("bundle", Value::from(above)),
        ]))
    }

    fn bundle(&self, domain: &str) -> Option<Value> {
        let x509 = self.inputs.svid.as_ref().and_then(|svid| svid.bundles.get(domain));
        let jwt = self.inputs.jwt_bundles.get(domain);
        if x509.is_none() && jwt.is_none() {
            self.asked.waits_for(format!("a bundle of {domain}"));
            return None;
        }
        Some(Value::from_object(Bundle {
            domain: domain.to_owned(),
            x509: x509.cloned(),
            jwt: jwt.cloned(),
            asked: self.asked.clone(),
        }))
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let by = |look: fn(&Root, &str) -> Option<Value>| {
            Some(Value::from_object(By { root: Arc::clone(self), look }))
        };
        match (key.as_str()?, &self.ready) {
            ("secrets", _) => by(Self::fields),
            ("leases", _) => by(Self::lease),
            ("bundles", _) => by(Self::bundle),
            ("svid", _) => self.svid(),
            ("secret", Some((Some(name), _))) => self.fields(name),
            ("x509", Some(_)) => self.x509(),
            ("with", Some((_, with))) => Some(with.clone()),
            _ => None,
        }
    }
}

/// A look-up by a name of the operator's.
struct By {
    root: Arc<Root>,
    look: fn(&Root, &str) -> Option<Value>,
}

impl std::fmt::Debug for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("By")
    }
}

impl Object for By {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (self.look)(&self.root, key.as_str()?)
    }
}

/// The fields of a secret. They are not listed: a template says which it means.
#[derive(Debug)]
struct Fields {
    secret: Arc<Secret>,
    asked: Asked,
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let field = key.as_str()?;
        let Some(text) = self.secret.text(field) else {
            self.asked.lacks(format!("field {field} in secret {}", self.secret.name()));
            return None;
        };
        Some(Value::from(text.expose_secret()))
    }
}

#[derive(Debug)]
struct Bundle {
    domain: String,
    x509: Option<String>,
    jwt: Option<Arc<str>>,
    asked: Asked,
}

impl Object for Bundle {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let found = match key.as_str()? {
            "x509" => self.x509.as_deref().map(Value::from),
            "jwt" => self.jwt.as_deref().map(Value::from),
            _ => {
                self.asked.lacks(format!("{key} in bundles; there are x509 and jwt"));
                return None;
            }
        };
        if found.is_none() {
            self.asked.waits_for(format!("a bundle of {}", self.domain));
        }
        found
    }
}

/// Has every member, and is a text where one is wanted.
#[derive(Debug)]
pub(super) struct Anything;

impl Object for Anything {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_object(Self))
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x")
    }
}
