use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use svidgate_forge::{AUDIENCE, Key, NOW, TRUST_DOMAIN, Token, jwks};
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, TrustDomain, UnixTime, VerifiedSvid, Verifier,
    VerifierConfig, VerifyError,
};

use super::{Judge, Passage, Trust, Verdict};
use crate::edit::Edit;
use crate::headers::Headers;
use crate::host::HostPattern;
use crate::identity::IdPattern;
use crate::path::{Oddities, PathPattern};
use crate::peer::Connection;
use crate::policy::Policy;
use crate::rule::{Callers, Demands, Match, Mode, Requirement, Rule};
use crate::settings::{ClaimHeader, ClaimKind, PeerSettings, Settings, Staleness, TokenSource, Upstream};

/// Trust in the one key of the forge; what is revoked and stale is said by the test.
struct World {
    verifier: Verifier,
    bundles: BundleSet,
    revoked: RefCell<bool>,
    stale: bool,
}

impl World {
    fn new() -> Self {
        let bundle = Bundle::from_jwks(&jwks([key().jwk()]), &BundleLimits::default()).unwrap();
        Self {
            verifier: Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap(),
            bundles: [(TrustDomain::parse(TRUST_DOMAIN).unwrap(), bundle)].into_iter().collect(),
            revoked: RefCell::new(false),
            stale: false,
        }
    }
}

impl Trust for World {
    fn is_empty(&self) -> bool {
        self.bundles.is_empty()
    }

    fn verify(&self, token: &[u8], now: UnixTime) -> Result<Rc<VerifiedSvid>, VerifyError> {
        self.verifier.verify(token, &self.bundles, &RustCrypto, now).map(Rc::new)
    }

    fn is_revoked(&self, _caller: &VerifiedSvid) -> bool {
        *self.revoked.borrow()
    }

    fn is_stale(&self, _domain: &TrustDomain, _max: Duration, _now: u64) -> bool {
        self.stale
    }
}

fn key() -> Key {
    Key::p256("key-1")
}

fn id(name: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/{name}")
}

fn token(name: &str) -> String {
    let token = Token::new(&key()).claim("sub", json!(id(name))).claim("tenant", json!("blue"));
    String::from_utf8(token.sign(&key())).unwrap()
}

fn shown(edits: &[Edit<'_>]) -> Vec<String> {
    let show = |edit: &Edit<'_>| match edit {
        Edit::Remove(name) => format!("no {name}"),
        Edit::Set(name, value) => format!("{name}: {}", String::from_utf8_lossy(value)),
    };
    edits.iter().map(show).collect()
}

fn bad_token() -> String {
    let token = token("web");
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}", "A".repeat(86))
}

fn callers(names: &[&str]) -> Callers {
    let spiffe_ids = names.iter().map(|name| IdPattern::parse(&id(name)).unwrap()).collect();
    Callers { spiffe_ids, trust_domains: Vec::new() }
}

fn demands(names: &[&str]) -> Demands {
    Demands {
        callers: callers(names),
        audiences: Audiences::new([AUDIENCE]).unwrap(),
        max_token_age: None,
        bound_to_peer: false,
    }
}

fn rule(name: &str, path: &str, require: Requirement) -> Rule {
    Rule {
        name: name.to_owned(),
        matches: Match { paths: vec![PathPattern::parse(path).unwrap()], ..Match::default() },
        require,
        mode: None,
        admits: Oddities::default(),
        lets_preflights_pass: false,
    }
}

fn settings(rules: Vec<Rule>) -> Settings {
    Settings {
        policy: Policy::new(rules),
        mode: Mode::Enforce,
        fail_open: false,
        sources: vec![TokenSource::Header {
            name: "authorization".to_owned(),
            scheme: Some("Bearer".to_owned()),
        }],
        peer: PeerSettings::default(),
        upstream: Upstream {
            forward_token: false,
            spiffe_id_header: "x-spiffe-id".to_owned(),
            trust_domain_header: Some("x-trust-domain".to_owned()),
            audit_header: "x-audit".to_owned(),
            claims: Vec::new(),
        },
        staleness: Staleness::default(),
        clock_skew: 5,
    }
}

#[derive(Clone, Default)]
struct Ask {
    method: Option<&'static str>,
    host: Option<&'static str>,
    path: &'static str,
    token: Option<String>,
    peer: Option<String>,
    more: Vec<(&'static str, &'static str)>,
}

fn ask(path: &'static str) -> Ask {
    Ask { path, ..Ask::default() }
}

impl Ask {
    fn token(mut self, token: String) -> Self {
        self.token = Some(format!("Bearer {token}"));
        self
    }

    fn peer(mut self, sans: String) -> Self {
        self.peer = Some(sans);
        self
    }

    fn with<T>(&self, judge: &Judge, world: &World, read: impl FnOnce(&Headers<'_>, &Verdict<'_>) -> T) -> T {
        let mut pairs: Vec<(&[u8], &[u8])> = vec![
            (b":method", self.method.unwrap_or("GET").as_bytes()),
            (b":authority", self.host.unwrap_or("a.test").as_bytes()),
        ];
        if self.path != "-" {
            pairs.push((b":path", self.path.as_bytes()));
        }
        pairs.extend(self.token.iter().map(|token| (&b"authorization"[..], token.as_bytes())));
        pairs.extend(self.more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let headers = Headers::new(pairs);
        let sans = self.peer.as_ref().map(|sans| sans.as_bytes().to_vec());
        let connection = Connection { mtls: sans.is_some(), first_uri_san: sans.clone(), uri_sans: sans };
        let verdict = judge.decide(&headers, &connection, world, NOW * 1000);
        read(&headers, &verdict)
    }

    /// Name of the rule, and what becomes of the request.
    fn of(&self, judge: &Judge, world: &World) -> (String, String) {
        self.with(judge, world, |_, verdict| {
            let outcome = match &verdict.outcome {
                Ok(Passage::Open) => "open".to_owned(),
                Ok(Passage::Preflight) => "preflight".to_owned(),
                Ok(Passage::Admitted(identity)) => identity.spiffe_id().path().to_owned(),
                Ok(Passage::Audited(denial)) => format!("audited {}", denial.reason().as_str()),
                Ok(Passage::FailedOpen(denial)) => format!("failed open {}", denial.reason().as_str()),
                Err(denial) => denial.reason().as_str().to_owned(),
            };
            (verdict.rule.map_or("none", |rule| &rule.name).to_owned(), outcome)
        })
    }

    fn outcome(&self, rules: Vec<Rule>) -> String {
        self.of(&Judge::new(settings(rules)), &World::new()).1
    }
}

#[test]
fn p01_the_first_rule_decides_and_a_bad_token_is_never_treated_as_absent() {
    let rules = || {
        vec![
            rule("health", "/health", Requirement::None),
            rule("either", "/either", Requirement::Either(demands(&["web"]))),
            rule("jwt", "/**", Requirement::Jwt(demands(&["web"]))),
        ]
    };
    let judge = Judge::new(settings(rules()));
    let world = World::new();
    let web = id("web");
    for (ask, expected) in [
        (ask("/health"), ("health", "open")),
        (ask("/health").token(bad_token()), ("health", "open")),
        (ask("/x"), ("jwt", "token_missing")),
        (ask("/x").token(token("web")), ("jwt", "/web")),
        (ask("/x").token(token("db")), ("jwt", "caller_not_allowed")),
        (ask("/x").token(bad_token()), ("jwt", "signature_invalid")),
        (ask("/either"), ("either", "token_missing")),
        (ask("/either").peer(web.clone()), ("either", "/web")),
        (ask("/either").token(token("web")), ("either", "/web")),
        (ask("/either").peer(web.clone()).token(bad_token()), ("either", "signature_invalid")),
        (ask("/either").peer(web.clone()).token(token("db")), ("either", "caller_not_allowed")),
        (ask("/either").peer(id("db")), ("either", "caller_not_allowed")),
        (ask("/either").peer("-".to_owned()), ("either", "peer_invalid")),
    ] {
        assert_eq!(ask.of(&judge, &world), (expected.0.to_owned(), expected.1.to_owned()));
    }
    assert_eq!(ask("/x").token(token("web")).outcome(Vec::new()), "no_rule");
}

#[test]
fn p02_a_good_token_is_judged_anew_for_each_request() {
    let judge = Judge::new(settings(vec![rule("jwt", "/**", Requirement::Jwt(demands(&["web"])))]));
    let mut world = World::new();
    let good = ask("/x").token(token("web"));
    assert_eq!(good.of(&judge, &world).1, "/web");
    *world.revoked.borrow_mut() = true;
    assert_eq!(good.of(&judge, &world).1, "token_revoked");
    world.bundles = BundleSet::default();
    assert_eq!(good.of(&judge, &world).1, "no_trust");
}

#[test]
fn p04_p05_what_could_be_read_in_two_ways_is_refused_before_any_rule() {
    let rules = || vec![rule("all", "/**", Requirement::None)];
    for path in ["/a%2fb", "/a;x", "/a//b", "/a/../b", "/a\\b", "*", "http://a.test/", ""] {
        assert_eq!(ask(path).outcome(rules()), "path_ambiguous", "{path:?}");
    }
    for host in ["", "a..test", "u@a.test", "a.test,b.test", "a.test:x"] {
        assert_eq!(Ask { host: Some(host), ..ask("/") }.outcome(rules()), "host_invalid", "{host:?}");
    }
    let twice = Ask { more: vec![(":authority", "a.test")], ..ask("/") };
    assert_eq!(twice.outcome(rules()), "host_invalid");
}

#[test]
fn p05_a_rule_that_admits_oddities_decides_only_if_every_reading_leads_to_it() {
    let odd = Oddities { encoded_separators: true, parameters: true, empty_segments: true };
    let rules = || {
        let mut admin = rule("admin", "/admin/**", Requirement::Jwt(demands(&["web"])));
        let mut files = rule("files", "/**", Requirement::None);
        admin.admits = Oddities { parameters: true, ..Oddities::default() };
        files.admits = odd;
        vec![admin, files]
    };
    for (path, expected) in [
        ("/files/a%2Fb", "open"),
        ("/files//a;x", "open"),
        ("/files%2f..%2fadmin", "path_ambiguous"),
        ("/%2Fadmin/x", "path_ambiguous"),
        ("//admin/x", "path_ambiguous"),
        ("/admin;x/y", "path_ambiguous"),
        ("/admin/x;y", "token_missing"),
        ("/admin/x%2fy", "path_ambiguous"),
        ("/admin%2fx", "path_ambiguous"),
        ("/files/..;/admin", "path_ambiguous"),
    ] {
        assert_eq!(ask(path).outcome(rules()), expected, "{path}");
    }
}

#[test]
fn p06_a_preflight_passes_only_where_the_rule_for_the_announced_request_says_so() {
    let rules = |pass| {
        let mut get = rule("get", "/x", Requirement::Jwt(demands(&["web"])));
        get.matches.methods = vec!["GET".to_owned()];
        get.lets_preflights_pass = pass;
        vec![get]
    };
    let announced = |method| Ask {
        method: Some("OPTIONS"),
        more: vec![("origin", "https://a.test"), ("access-control-request-method", method)],
        ..ask("/x")
    };
    assert_eq!(announced("GET").outcome(rules(true)), "preflight");
    assert_eq!(announced("GET").outcome(rules(false)), "no_rule");
    assert_eq!(announced("DELETE").outcome(rules(true)), "no_rule");
    let plain = Ask { method: Some("OPTIONS"), ..ask("/x") };
    assert_eq!(plain.outcome(rules(true)), "no_rule");
    let unannounced = Ask { more: vec![("origin", "https://a.test")], ..plain };
    assert_eq!(unannounced.outcome(rules(true)), "no_rule");
    let get = Ask { method: Some("GET"), ..announced("GET") };
    assert_eq!(get.outcome(rules(true)), "token_missing");
}

#[test]
fn p10_a_bound_token_serves_only_its_own_peer() {
    let bound = Demands { bound_to_peer: true, ..demands(&["web"]) };
    let rules = || vec![rule("bound", "/**", Requirement::Jwt(bound.clone()))];
    for (peer, expected) in [
        (Some(id("web")), "/web"),
        (Some(id("db")), "token_not_bound"),
        (Some("-".to_owned()), "peer_invalid"),
        (Some(format!("{},{}", id("web"), id("db"))), "peer_invalid"),
        (None, "peer_missing"),
    ] {
        let request = Ask { peer: peer.clone(), ..ask("/").token(token("web")) };
        assert_eq!(request.outcome(rules()), expected, "{peer:?}");
    }
}

#[test]
fn both_asks_for_token_and_peer_and_mtls_for_the_peer_alone() {
    let rules = || {
        vec![
            rule("both", "/both", Requirement::Both(demands(&["web"]), callers(&["ingress"]))),
            rule("mtls", "/mtls", Requirement::Mtls(callers(&["web"]))),
        ]
    };
    for (request, expected) in [
        (ask("/both").token(token("web")).peer(id("ingress")), "/web"),
        (ask("/both").token(token("web")).peer(id("web")), "caller_not_allowed"),
        (ask("/both").token(token("web")), "peer_missing"),
        (ask("/both").peer(id("ingress")), "token_missing"),
        (ask("/mtls").peer(id("web")), "/web"),
        (ask("/mtls").peer(id("db")), "caller_not_allowed"),
        (ask("/mtls"), "peer_missing"),
        (ask("/mtls").token(token("web")), "peer_missing"),
    ] {
        assert_eq!(request.outcome(rules()), expected);
    }
}

#[test]
fn a_rule_may_be_about_requests_with_or_without_a_peer_only() {
    let mut with = rule("with", "/**", Requirement::None);
    with.matches.mtls = Some(true);
    let mut without = rule("without", "/**", Requirement::None);
    without.matches.mtls = Some(false);
    let judge = Judge::new(settings(vec![with, without]));
    assert_eq!(ask("/").peer(id("web")).of(&judge, &World::new()).0, "with");
    assert_eq!(ask("/").of(&judge, &World::new()).0, "without");
    assert_eq!(ask("/").peer("-".to_owned()).of(&judge, &World::new()).0, "without");
}

#[test]
fn connect_has_no_path_and_only_a_rule_without_one_is_about_it() {
    let connect = Ask { method: Some("CONNECT"), host: Some("a.test:443"), ..ask("-") };
    assert_eq!(connect.outcome(vec![rule("all", "/**", Requirement::None)]), "no_rule");
    let mut tunnel = rule("tunnel", "/**", Requirement::None);
    tunnel.matches = Match { hosts: vec![HostPattern::parse("a.test").unwrap()], ..Match::default() };
    assert_eq!(connect.outcome(vec![tunnel]), "open");
    assert_eq!(ask("-").outcome(vec![rule("all", "/**", Requirement::None)]), "path_ambiguous");
}

#[test]
fn audit_lets_pass_and_gives_no_identity() {
    let mut audited = rule("audited", "/a", Requirement::Jwt(demands(&["web"])));
    audited.mode = Some(Mode::Audit);
    let rules = vec![audited, rule("enforced", "/b", Requirement::Jwt(demands(&["web"])))];
    let judge = Judge::new(settings(rules.clone()));
    let world = World::new();
    assert_eq!(ask("/a").of(&judge, &world).1, "audited token_missing");
    assert_eq!(ask("/a").token(token("web")).of(&judge, &world).1, "/web");
    assert_eq!(ask("/b").of(&judge, &world).1, "token_missing");
    assert_eq!(ask("/c").of(&judge, &world).1, "no_rule");
    let edits = ask("/a")
        .token(token("db"))
        .with(&judge, &world, |headers, verdict| shown(&judge.edits(headers, verdict)));
    assert_eq!(edits, ["x-audit: caller_not_allowed"]);

    let all = Judge::new(Settings { mode: Mode::Audit, ..settings(rules) });
    assert_eq!(ask("/c").of(&all, &world).1, "audited no_rule");
    assert_eq!(ask("/a;x").of(&all, &world).1, "audited path_ambiguous");
}

#[test]
fn p05_an_odd_spelling_of_host_or_path_does_not_get_by_a_rule_that_is_enforced_while_the_rest_is_audited() {
    let mut enforced = rule("enforced", "/a/**", Requirement::Jwt(demands(&["web"])));
    enforced.mode = Some(Mode::Enforce);
    let rest = rule("rest", "/b", Requirement::Jwt(demands(&["web"])));
    let judge = Judge::new(Settings { mode: Mode::Audit, ..settings(vec![enforced, rest]) });
    let world = World::new();
    assert_eq!(ask("/a/1").of(&judge, &world).1, "token_missing");
    for path in ["/a/1;x", "/a;x/1", "/a%2f1", "/a/%2c", "//a/1", "/x/../a/1"] {
        assert_eq!(ask(path).of(&judge, &world).1, "path_ambiguous", "{path}");
    }
    let odd_host = Ask { host: Some("a..b"), ..ask("/a/1") };
    assert_eq!(odd_host.of(&judge, &world).1, "host_invalid");
    assert_eq!(ask("/b").of(&judge, &world).1, "audited token_missing");
    assert_eq!(ask("/c").of(&judge, &world).1, "audited no_rule");
}

#[test]
fn fail_open_lets_pass_what_cannot_be_judged_never_a_token_found_false() {
    let rules = vec![rule("jwt", "/**", Requirement::Jwt(demands(&["web"])))];
    let open = Judge::new(Settings {
        fail_open: true,
        staleness: Staleness { default: Some(Duration::from_secs(1)), ..Staleness::default() },
        ..settings(rules)
    });
    let mut world = World { stale: true, ..World::new() };
    assert_eq!(ask("/").token(token("web")).of(&open, &world).1, "failed open trust_stale");
    assert_eq!(ask("/").token(bad_token()).of(&open, &world).1, "signature_invalid");
    assert_eq!(ask("/").token(token("db")).of(&open, &world).1, "caller_not_allowed");
    assert_eq!(ask("/").of(&open, &world).1, "token_missing");
    world.bundles = BundleSet::default();
    assert_eq!(ask("/").token(token("web")).of(&open, &world).1, "failed open no_trust");
    assert_eq!(ask("/").token("a.b".to_owned()).of(&open, &world).1, "token_malformed");
}

#[test]
fn v17_p08_the_service_gets_one_value_of_each_header_and_no_token() {
    let mut settings = settings(vec![rule("jwt", "/**", Requirement::Jwt(demands(&["web"])))]);
    settings.upstream.claims = vec![ClaimHeader {
        claim: "tenant".to_owned(),
        header: "x-tenant".to_owned(),
        kind: ClaimKind::String,
        max_bytes: 16,
        required: true,
    }];
    let judge = Judge::new(settings.clone());
    for name in ["x-spiffe-id", "X_Spiffe.Id", "x-audit", "x-trust-domain", "x-tenant", "x~tenant"] {
        assert!(judge.owns_header(name.as_bytes()), "{name}");
    }
    for name in ["x-spiffe-ids", "spiffe-id", "authorization", ""] {
        assert!(!judge.owns_header(name.as_bytes()), "{name}");
    }
    let request = ask("/").token(token("web"));
    let edits = |judge: &Judge| {
        request.with(judge, &World::new(), |headers, verdict| shown(&judge.edits(headers, verdict)))
    };
    let set = |name: &str, value: &str| format!("{name}: {value}");
    let told = [set("x-spiffe-id", &id("web")), set("x-trust-domain", TRUST_DOMAIN), set("x-tenant", "blue")];
    let removed = [vec!["no authorization".to_owned()], told.to_vec()].concat();
    assert_eq!(edits(&judge), removed);
    settings.upstream.forward_token = true;
    assert_eq!(edits(&Judge::new(settings.clone())), told);
    settings.upstream.claims[0].kind = ClaimKind::Integer;
    assert_eq!(request.of(&Judge::new(settings), &World::new()).1, "claim_unusable");
}
