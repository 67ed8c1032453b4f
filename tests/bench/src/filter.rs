//! The HTTP filters that are compared.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::message::signature_message;
use crate::traffic::{Algorithm, CACHE_ENTRIES, CALLERS, Traffic};

/// What stands before the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filter {
    /// Nothing.
    None,
    /// A Wasm filter that adds one header.
    Header,
    /// A Wasm filter that makes the calls of the host that svidgate makes for a warm request, and nothing else, with the guard.
    Calls,
    /// The same, which lets the host check a signature too: a cold request.
    CallsAndSignature(Algorithm),
    /// Envoy's `jwt_authn` as configured by default.
    JwtAuthn,
    /// The same with its token cache.
    JwtAuthnCached,
    /// `jwt_authn` without a cache, telling the upstream who calls, and RBAC on `sub`: what svidgate does.
    JwtAuthnRbac,
    /// The same with the token cache and this number of policies, of which the last matches.
    JwtAuthnCachedRbac(usize),
    /// `ext_authz`, asking a local verifier over gRPC.
    ExtAuthz,
    /// svidgate with its guard and this number of rules, of which the last matches.
    Svidgate(usize),
    /// svidgate without its guard, to show what that costs.
    SvidgateUnguarded,
    /// svidgate that logs no refusals.
    SvidgateQuiet,
    /// Another build of svidgate, by its place in [`Parts::builds`].
    SvidgateBuild(usize),
}

/// What filters refer to.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The JWKS that is trusted.
    pub keys: &'a str,
    /// The module of the filters that decide nothing.
    pub baseline: &'a Path,
    /// The plugin and its guard, as they are shipped.
    pub shipped: Vec<Value>,
    /// Other builds of the plugin.
    pub builds: &'a [PathBuf],
}

impl Filter {
    /// A name for tables.
    pub fn name(self) -> String {
        match self {
            Self::None => "no filter".into(),
            Self::Header => "Wasm, adds one header".into(),
            Self::Calls => "Wasm, svidgate's calls only".into(),
            Self::CallsAndSignature(algorithm) => {
                format!("Wasm, svidgate's calls, {} checked", algorithm.name())
            }
            Self::JwtAuthn => "jwt_authn, default".into(),
            Self::JwtAuthnCached => "jwt_authn, token cache".into(),
            Self::JwtAuthnRbac => "jwt_authn + RBAC".into(),
            Self::JwtAuthnCachedRbac(1) => "jwt_authn, token cache + RBAC".into(),
            Self::JwtAuthnCachedRbac(n) => format!("jwt_authn, token cache + RBAC, {n} policies"),
            Self::ExtAuthz => "ext_authz, gRPC".into(),
            Self::Svidgate(1) => "svidgate".into(),
            Self::Svidgate(n) => format!("svidgate, {n} rules"),
            Self::SvidgateUnguarded => "svidgate without guard".into(),
            Self::SvidgateQuiet => "svidgate, refusals not logged".into(),
            Self::SvidgateBuild(n) => format!("svidgate, build {n}"),
        }
    }

    /// A name for files.
    pub fn slug(self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        self.name().replace(", ", "-").chars().map(plain).collect()
    }

    /// Whether it is the module that decides nothing.
    pub fn is_baseline(self) -> bool {
        matches!(self, Self::Header | Self::Calls | Self::CallsAndSignature(_))
    }

    /// Whether it is svidgate, in whatever form.
    fn is_svidgate(self) -> bool {
        match self {
            Self::Svidgate(_) | Self::SvidgateUnguarded => true,
            Self::SvidgateQuiet | Self::SvidgateBuild(_) => true,
            Self::None | Self::Header | Self::Calls | Self::CallsAndSignature(_) => false,
            Self::JwtAuthn | Self::JwtAuthnCached | Self::ExtAuthz => false,
            Self::JwtAuthnRbac | Self::JwtAuthnCachedRbac(_) => false,
        }
    }

    /// Whether V8 runs it, which compiles what is hot a second time.
    pub fn is_wasm(self) -> bool {
        self.is_baseline() || self.is_svidgate()
    }

    /// Whether it looks at tokens.
    pub fn verifies(self) -> bool {
        self != Self::None && !self.is_baseline()
    }

    /// Whether it tells callers apart.
    pub fn authorizes(self) -> bool {
        self.tells_caller() && self != Self::ExtAuthz
    }

    /// Whether the service learns from it who calls.
    pub fn tells_caller(self) -> bool {
        self.is_svidgate()
            || matches!(self, Self::JwtAuthnRbac | Self::JwtAuthnCachedRbac(_) | Self::ExtAuthz)
    }

    /// Whether it keeps verified tokens.
    pub fn caches(self) -> bool {
        self.is_svidgate() || matches!(self, Self::JwtAuthnCached | Self::JwtAuthnCachedRbac(_))
    }

    /// Whether it lets this traffic in.
    pub fn admits(self, traffic: Traffic) -> bool {
        !self.verifies() || traffic.is_good()
    }

    /// The filters, without the router.
    pub fn http_filters(self, parts: &Parts<'_>) -> Vec<Value> {
        match self {
            Self::None => vec![],
            Self::Header => vec![baseline(parts.baseline, "")],
            Self::Calls => vec![baseline(parts.baseline, "calls"), parts.shipped[1].clone()],
            Self::CallsAndSignature(algorithm) => {
                let message: String =
                    signature_message(algorithm).iter().map(|byte| format!("{byte:02x}")).collect();
                vec![baseline(parts.baseline, &format!("calls {message}")), parts.shipped[1].clone()]
            }
            Self::JwtAuthn => vec![jwt_authn(parts.keys, &json!({}))],
            Self::JwtAuthnCached => vec![jwt_authn(parts.keys, &cached())],
            Self::JwtAuthnRbac => vec![jwt_authn(parts.keys, &telling()), rbac(1)],
            Self::JwtAuthnCachedRbac(policies) => {
                let settings = merge(&[cached(), telling()]);
                vec![jwt_authn(parts.keys, &settings), rbac(policies)]
            }
            Self::ExtAuthz => vec![ext_authz()],
            Self::SvidgateUnguarded => parts.shipped[..1].to_vec(),
            Self::Svidgate(_) | Self::SvidgateQuiet => parts.shipped.clone(),
            Self::SvidgateBuild(n) => {
                let mut filters = parts.shipped.clone();
                filters[0]["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"] =
                    json!(parts.builds[n]);
                filters
            }
        }
    }

    /// Changes the plugin's shipped configuration, if this is about it.
    pub fn configure(self, plugin: &mut Value) {
        let rules = if let Self::Svidgate(rules) = self { rules } else { 1 };
        plugin.as_object_mut().expect("an object").remove("allowed_spiffe_ids");
        plugin["rules"] = (1..=rules).map(|n| rule(n, rules)).collect();
        if self == Self::SvidgateQuiet {
            plugin["log"] = json!({"refusals": {"level": "off"}});
        }
    }
}

/// One rule is about everything; of many, the last is about the paths that are asked for.
fn rule(n: usize, rules: usize) -> Value {
    let matches = match n {
        _ if rules == 1 => json!({}),
        n if n == rules => json!({"paths": [MEASURED, PROOF]}),
        n => json!({"paths": [format!("/service-{n}/**")]}),
    };
    json!({"name": format!("rule-{n:04}"), "match": matches, "require": "jwt", "spiffe_ids": [format!("{CALLERS}*")]})
}

fn baseline(wasm: &Path, configuration: &str) -> Value {
    json!({"name": "baseline", "typed_config": {
        "@type": format!("{FILTERS}.wasm.v3.Wasm"),
        "config": {
            "name": "baseline",
            "vm_config": {
                "vm_id": "baseline",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": wasm}},
            },
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
        },
    }})
}

fn jwt_authn(keys: &str, more: &Value) -> Value {
    let provider = json!({"audiences": [svidgate_forge::AUDIENCE], "local_jwks": {"inline_string": keys}});
    json!({"name": JWT_AUTHN, "typed_config": {
        "@type": format!("{FILTERS}.jwt_authn.v3.JwtAuthentication"),
        "providers": {"spiffe": merge(&[provider, more.clone()])},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "spiffe"}}],
    }})
}

fn cached() -> Value {
    json!({"jwt_cache_config": {"jwt_cache_size": CACHE_ENTRIES}})
}

fn telling() -> Value {
    json!({
        "payload_in_metadata": "payload",
        "claim_to_headers": [{"header_name": "x-spiffe-id", "claim_name": "sub"}],
    })
}

fn rbac(policies: usize) -> Value {
    let policy = |n: usize| {
        let permission = match n {
            _ if policies == 1 => json!({"any": true}),
            n if n == policies => {
                json!({"or_rules": {"rules": [path("exact", MEASURED), path("exact", PROOF)]}})
            }
            n => path("prefix", &format!("/service-{n}/")),
        };
        let principal = json!({"sourced_metadata": {"metadata_matcher": {
            "filter": JWT_AUTHN,
            "path": [{"key": "payload"}, {"key": "sub"}],
            "value": {"string_match": {"prefix": CALLERS}},
        }}});
        (format!("policy-{n:04}"), json!({"permissions": [permission], "principals": [principal]}))
    };
    let policies: serde_json::Map<String, Value> = (1..=policies).map(policy).collect();
    json!({"name": "rbac", "typed_config": {
        "@type": format!("{FILTERS}.rbac.v3.RBAC"),
        "rules": {"action": "ALLOW", "policies": policies},
    }})
}

fn path(how: &str, path: &str) -> Value {
    json!({"url_path": {"path": {how: path}}})
}

fn ext_authz() -> Value {
    json!({"name": "ext_authz", "typed_config": {
        "@type": format!("{FILTERS}.ext_authz.v3.ExtAuthz"),
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": VERIFIER}, "timeout": "5s"},
    }})
}

fn merge(objects: &[Value]) -> Value {
    objects
        .iter()
        .filter_map(Value::as_object)
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The path that is measured.
pub(crate) const MEASURED: &str = "/measured";
/// The path on which Envoy answers with what the service would be told.
pub(crate) const PROOF: &str = "/proof";
/// The cluster of the external verifier.
pub(crate) const VERIFIER: &str = "verifier";

const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters.http";
