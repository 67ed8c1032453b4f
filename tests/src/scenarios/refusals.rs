//! What is refused, with which status and reason, and that nothing of it reaches the service.

use std::time::Duration;

use crate::dev::Dev;
use crate::forge::Forged;
use crate::http::{Connection, Request};
use crate::slice::{
    AUDIENCE, CLIENT_ID, OTHER_ID, Slice, TRUST_DOMAIN, TrustSource, assert_admitted, identities,
};

/// Every refusal of a table, on every worker; then a good token passes still.
pub fn refusals<S: TrustSource>(mut slice: Slice<S>) {
    let expiring = slice.source.expiring_token(AUDIENCE);
    let cases = cases(&slice);
    for (worker, mut connection) in slice.envoy.connection_to_each_worker().into_iter().enumerate() {
        assert_admitted(&mut connection, &slice.token());
        let reached = slice.upstream.requests();
        let wrong: Vec<String> = cases.iter().filter_map(|case| case.mismatch(&mut connection)).collect();
        assert!(wrong.is_empty(), "on worker {worker}:\n{}", wrong.join("\n"));
        assert_eq!(slice.upstream.requests(), reached, "a refused request reached the service");
        refused_once_expired(&mut connection, &expiring);
        assert_admitted(&mut connection, &slice.token());
    }
    slice.envoy.assert_healthy();
}

/// Identity headers of the client never reach the service (checklist V17, P8).
pub fn identity_headers<S: TrustSource>(slice: Slice<S>) {
    let token = slice.token();
    for mut connection in slice.envoy.connection_to_each_worker() {
        for spoofed in ["x-spiffe-id", "X-SPIFFE-ID"] {
            let request = Request::get("/").bearer(&token).header(spoofed, "spiffe://example.org/admin");
            let request = request.header(spoofed, "spiffe://example.org/root");
            let answer = connection.send(&request).expect("an answer from Envoy");
            assert_eq!(identities(&answer), [CLIENT_ID], "{answer:?}");
        }
        // Servers behind CGI-like interfaces read an underscore as a dash: Envoy refuses such names outright. It may
        // close the connection, so this one is not used again.
        let request = Request::get("/").bearer(&token).header("x_spiffe_id", "spiffe://example.org/admin");
        assert_eq!(slice.envoy.send(&request).status, 400);
    }
}

struct Case {
    name: &'static str,
    request: Request,
    status: u16,
    reason: &'static str,
}

impl Case {
    /// Sends the request; a text when the answer is another than it must be.
    fn mismatch(&self, connection: &mut Connection) -> Option<String> {
        let answer = connection.send(&self.request).expect("an answer from Envoy");
        let challenged = answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer"));
        let right = (answer.status, answer.reason().as_str()) == (self.status, self.reason) && challenged;
        (!right).then(|| {
            let Self { name, status, reason, .. } = self;
            format!("{name}: expected {status} {reason}, got {answer:?}, challenged: {challenged}")
        })
    }
}

fn cases<S: TrustSource>(slice: &Slice<S>) -> Vec<Case> {
    let good = slice.token();
    let forged = || Forged::from(&good);
    let bearer = |token: String| Request::get("/").bearer(token);
    let other_id = slice.workload.token(AUDIENCE, OTHER_ID);
    let other_audience = slice.workload.token("elsewhere.example.org", CLIENT_ID);
    let stranger = Dev::start("stranger", slice.folder.path(), "stranger.example", &[], &[]);
    let impostor = Dev::start("impostor", slice.folder.path(), TRUST_DOMAIN, &[], &[]);
    let case = |name, request, status, reason| Case { name, request, status, reason };
    let refused = |name, request, reason| case(name, request, 401, reason);
    vec![
        refused("no token", Request::get("/"), "token_missing"),
        // Envoy joins the two into one value, "Bearer a,Bearer b", before any filter sees them.
        refused("two authorization headers", bearer(good.clone()).bearer(&good), "authorization_malformed"),
        refused(
            "two authorization headers, one of them Basic",
            bearer(good.clone()).header("authorization", "Basic dTpw"),
            "authorization_malformed",
        ),
        refused("Basic", Request::get("/").header("authorization", "Basic dTpw"), "scheme_not_bearer"),
        refused(
            "junk behind the token",
            Request::get("/").header("authorization", format!("Bearer {good} x")),
            "authorization_malformed",
        ),
        refused("tampered payload", bearer(forged().claim("iat", 1).token()), "signature_invalid"),
        refused("tampered signature", bearer(forged().flip_signature_bit().token()), "signature_invalid"),
        refused(
            "a stranger's signature",
            bearer(forged().signed_by_a_stranger().token()),
            "signature_invalid",
        ),
        refused("another audience", bearer(other_audience), "audience_mismatch"),
        refused(
            "another trust domain",
            bearer(stranger.mint("spiffe://stranger.example/client", AUDIENCE, "5m", "0s")),
            "trust_domain_unknown",
        ),
        refused(
            "a key that only claims to be of the trust domain",
            bearer(impostor.mint(CLIENT_ID, AUDIENCE, "5m", "0s")),
            "key_unknown",
        ),
        refused("alg none", bearer(forged().header("alg", "none").token()), "algorithm_refused"),
        refused(
            "alg None, unsigned",
            bearer(forged().header("alg", "None").unsigned().token()),
            "token_malformed",
        ),
        refused("alg HS256", bearer(forged().header("alg", "HS256").token()), "algorithm_refused"),
        refused("an embedded key", bearer(forged().header("jwk", "{}").token()), "header_refused"),
        refused("no JWT", bearer("opaque".to_owned()), "token_malformed"),
        refused(
            "more than 8 KiB",
            bearer(forged().claim("pad", "x".repeat(8192)).token()),
            "token_too_large",
        ),
        refused(
            "a bad token beside a header that is not UTF-8",
            bearer(forged().flip_signature_bit().token()).header("x-note", b"caf\xe9"),
            "signature_invalid",
        ),
        refused(
            "a token that is not UTF-8",
            Request::get("/").header("authorization", b"Bearer \xff\xfe.\xe9.\xe9"),
            "authorization_malformed",
        ),
        case("another workload", bearer(other_id), 403, "caller_not_allowed"),
    ]
}

fn refused_once_expired(connection: &mut Connection, token: &str) {
    let request = Request::get("/").bearer(token);
    crate::poll("the token expires", Duration::from_secs(30), || {
        let answer = connection.send(&request).expect("an answer from Envoy");
        // Until then a short-lived caller is known and not on the list.
        assert!([401, 403].contains(&answer.status), "{answer:?}");
        (answer.status == 401).then(|| assert_eq!(answer.reason(), "token_expired"))
    });
}
