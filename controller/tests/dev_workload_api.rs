//! The embedded trust domain as its clients meet it: through the `spiffe` crate, the generated client, and the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use futures::StreamExt as _;
use spiffe::{WorkloadApiClient, WorkloadApiError};
use svidgate_controller::clock;
use svidgate_controller::dev::{
    Entry, KeyState, KeyType, Mint, Options, Revoke, StartError, TrustDomainServer, admin_socket_beside,
};
use svidgate_controller::workload_api::pb;
use svidgate_controller::workload_api::pb::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, DenyReason, RustCrypto, SpiffeId, TrustDomain, UnixTime,
    Verifier, VerifierConfig, VerifyError,
};
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;

const CLIENT: &str = "spiffe://example.org/client";
const BACKEND: &str = "backend.example.org";
const DEADLINE: Duration = Duration::from_secs(20);

struct Dev {
    server: TrustDomainServer,
    _folder: TempDir,
}

fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

fn domain(text: &str) -> TrustDomain {
    TrustDomain::parse(text).unwrap()
}

fn options(folder: &Path) -> Options {
    let mut options = Options::new(&id(CLIENT), &folder.join("agent.sock"));
    options.settings.federated = vec![domain("other.org")];
    options
}

async fn start() -> Dev {
    start_with(|_| ()).await
}

async fn start_with(change: impl FnOnce(&mut Options)) -> Dev {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    change(&mut options);
    Dev { server: TrustDomainServer::start(options).await.unwrap(), _folder: folder }
}

impl Dev {
    async fn client(&self) -> WorkloadApiClient {
        WorkloadApiClient::connect_to(self.server.endpoint()).await.unwrap()
    }

    /// A client that adds no metadata.
    async fn bare_client(&self) -> SpiffeWorkloadApiClient<Channel> {
        let endpoint = format!("unix://{}", self.server.socket().display());
        SpiffeWorkloadApiClient::connect(endpoint).await.unwrap()
    }

    async fn token(&self) -> String {
        self.client().await.fetch_jwt_token([BACKEND], None).await.unwrap()
    }

    /// The bundles as a consumer of the Workload API gets them.
    async fn bundles(&self) -> BundleSet {
        let mut stream =
            self.bare_client().await.fetch_jwt_bundles(with_header(pb::JwtBundlesRequest {})).await;
        let message = stream.as_mut().unwrap().get_mut().message().await.unwrap().unwrap();
        let bundles = message.bundles.iter().map(|(id, jwks)| {
            let name = domain(id.strip_prefix("spiffe://").unwrap());
            (name, Bundle::from_jwks(jwks, &BundleLimits::default()).unwrap())
        });
        bundles.collect()
    }

    async fn verify(&self, token: &str) -> Result<svidgate_jwt_svid::VerifiedSvid, VerifyError> {
        let config = VerifierConfig::new(Audiences::new([BACKEND]).unwrap());
        let now = clock::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let verifier = Verifier::new(config).unwrap();
        verifier.verify(token.as_bytes(), &self.bundles().await, &RustCrypto, UnixTime(now))
    }
}

fn with_header<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("workload.spiffe.io", "true".parse().unwrap());
    request
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("nothing happened before the deadline")
}

#[tokio::test]
async fn a_fetched_svid_verifies_with_the_fetched_bundles_for_both_kinds_of_key() {
    for key_type in [KeyType::Es256, KeyType::Rs256] {
        let dev = start_with(|options| options.settings.key_type = key_type).await;
        let verified = dev.verify(&dev.token().await).await.unwrap();
        assert_eq!(verified.spiffe_id(), &id(CLIENT));
        assert_eq!(verified.audiences(), [BACKEND]);
        assert_eq!(verified.algorithm().as_str(), key_type.algorithm());
        let lifetime = verified.expires_at().as_secs() - verified.issued_at().unwrap().as_secs();
        assert_eq!(lifetime, 300);
    }
}

#[tokio::test]
async fn every_entry_has_its_svid_and_its_hint() {
    let dev = start_with(|options| {
        options.settings.entries.push("spiffe://example.org/api,hint=internal".parse().unwrap());
    })
    .await;
    let client = dev.client().await;
    let svids = client.fetch_all_jwt_svids([BACKEND, "second"], None).await.unwrap();
    let seen: Vec<_> = svids.iter().map(|svid| (svid.spiffe_id().to_string(), svid.hint())).collect();
    assert_eq!(seen, [(CLIENT.to_owned(), None), ("spiffe://example.org/api".to_owned(), Some("internal"))]);
    assert!(svids.iter().all(|svid| svid.audience() == [BACKEND, "second"]));

    let api = spiffe::SpiffeId::new("spiffe://example.org/api").unwrap();
    let only = client.fetch_all_jwt_svids([BACKEND], Some(&api)).await.unwrap();
    assert_eq!(only.len(), 1);
    assert_eq!(only[0].spiffe_id(), &api);

    let unknown = spiffe::SpiffeId::new("spiffe://example.org/unknown").unwrap();
    let refused = client.fetch_jwt_svid([BACKEND], Some(&unknown)).await.unwrap_err();
    assert!(matches!(refused, WorkloadApiError::NoIdentityIssued), "{refused}");
}

#[tokio::test]
async fn b08_a_stream_sees_rotation_and_revocation_and_tokens_live_as_long_as_their_key() {
    let dev = start().await;
    let own = dev.server.trust_domain().clone();
    let mut stream = dev.client().await.stream_jwt_bundles().await.unwrap();
    let spiffe_own = spiffe::TrustDomain::new("example.org").unwrap();
    let mut kids = async || -> BTreeSet<String> {
        let set = soon(stream.next()).await.unwrap().unwrap();
        set.get(&spiffe_own).unwrap().jwt_authorities().map(|key| key.key_id().to_owned()).collect()
    };
    let kid = |state| {
        let keys = dev.server.issuer().keys(&own).unwrap();
        keys.into_iter().find(|key| key.state == state).unwrap().kid
    };

    let first = kid(KeyState::Active);
    assert_eq!(kids().await, BTreeSet::from([first.clone()]));
    let before = dev.token().await;

    let second = dev.server.issuer().prepare(&own, None).await.unwrap();
    assert_eq!(kids().await, BTreeSet::from([first.clone(), second.clone()]));
    assert_eq!(dev.verify(&dev.token().await).await.unwrap().key_id(), first);

    // Activation changes no bundle, so the next message is the one after the revocation.
    dev.server.issuer().activate(&own).await.unwrap();
    let after = dev.token().await;
    assert_eq!(dev.verify(&before).await.unwrap().key_id(), first);
    assert_eq!(dev.verify(&after).await.unwrap().key_id(), second);

    dev.server.issuer().revoke(&own, Revoke::AllOld).await.unwrap();
    assert_eq!(kids().await, BTreeSet::from([second.clone()]));
    assert_eq!(dev.verify(&before).await.unwrap_err().reason(), DenyReason::KeyUnknown);
    dev.verify(&after).await.unwrap();

    dev.server.issuer().revoke(&own, Revoke::Kid(second)).await.unwrap();
    assert_eq!(kids().await, BTreeSet::from([kid(KeyState::Active)]));
    assert_eq!(dev.verify(&after).await.unwrap_err().reason(), DenyReason::KeyUnknown);
    dev.verify(&dev.token().await).await.unwrap();
}

#[tokio::test]
async fn b05_a_trust_domain_that_is_no_longer_federated_leaves_the_stream() {
    let dev = start().await;
    let mut stream = dev.client().await.stream_jwt_bundles().await.unwrap();
    let other = spiffe::TrustDomain::new("other.org").unwrap();
    assert!(soon(stream.next()).await.unwrap().unwrap().get(&other).is_some());
    dev.server.issuer().unfederate(&domain("other.org")).await.unwrap();
    assert!(soon(stream.next()).await.unwrap().unwrap().get(&other).is_none());
}

#[tokio::test]
async fn v09_minted_tokens_of_the_federated_domain_verify_with_its_bundle() {
    let dev = start().await;
    let mint = Mint {
        spiffe_id: id("spiffe://other.org/peer"),
        audience: vec![BACKEND.to_owned()],
        ttl: None,
        issued_ago: Duration::ZERO,
    };
    let token = dev.server.issuer().mint(&mint).unwrap();
    assert_eq!(dev.verify(&token).await.unwrap().spiffe_id(), &id("spiffe://other.org/peer"));

    let expired = Mint { ttl: Some(Duration::from_secs(60)), issued_ago: Duration::from_secs(120), ..mint };
    let token = dev.server.issuer().mint(&expired).unwrap();
    assert_eq!(dev.verify(&token).await.unwrap_err().reason(), DenyReason::TokenExpired);
}

#[tokio::test]
async fn validation_answers_with_the_claims_or_with_the_reason_and_never_the_token() {
    let dev = start().await;
    let token = dev.token().await;
    let client = dev.client().await;
    client.validate_jwt_token(BACKEND, &token).await.unwrap();

    let mut bare = dev.bare_client().await;
    let mut validate = async |audience: &str, svid: &str| {
        let (audience, svid) = (audience.to_owned(), svid.to_owned());
        bare.validate_jwtsvid(with_header(pb::ValidateJwtsvidRequest { audience, svid })).await
    };
    let valid = validate(BACKEND, &token).await.unwrap().into_inner();
    assert_eq!(valid.spiffe_id, CLIENT);
    let claims = valid.claims.unwrap();
    assert_eq!(claims.fields.keys().map(String::as_str).collect::<Vec<_>>(), ["aud", "exp", "iat", "sub"]);
    for (audience, svid) in
        [("other", token.as_str()), (BACKEND, "a.b.c"), ("", token.as_str()), (BACKEND, "")]
    {
        let refused = validate(audience, svid).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(!refused.message().contains(&token));
    }
}

#[tokio::test]
async fn x509_svids_parse_and_have_their_identity_as_the_one_uri() {
    let dev = start().await;
    let context = dev.client().await.fetch_x509_context().await.unwrap();
    let svid = context.default_svid().unwrap();
    assert_eq!(svid.spiffe_id().to_string(), CLIENT);
    let bundles = context.bundle_set();
    for name in ["example.org", "other.org"] {
        let name = spiffe::TrustDomain::new(name).unwrap();
        assert_eq!(bundles.get(&name).unwrap().authorities().len(), 1);
    }

    let mut stream = dev.client().await.stream_x509_bundles().await.unwrap();
    assert_eq!(soon(stream.next()).await.unwrap().unwrap().iter().count(), 2);
}

#[tokio::test]
async fn b07_a_call_without_the_security_metadata_is_an_invalid_argument() {
    let dev = start().await;
    let mut client = dev.bare_client().await;
    let request = || pb::JwtsvidRequest { audience: vec![BACKEND.to_owned()], spiffe_id: String::new() };
    assert_eq!(client.fetch_jwtsvid(request()).await.unwrap_err().code(), Code::InvalidArgument);
    let refused = client.fetch_jwt_bundles(pb::JwtBundlesRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    client.fetch_jwtsvid(with_header(request())).await.unwrap();
}

#[tokio::test]
async fn v10_a_token_without_audience_is_not_issued() {
    let dev = start().await;
    let mut client = dev.bare_client().await;
    for audience in [vec![], vec![String::new()]] {
        let request = pb::JwtsvidRequest { audience, spiffe_id: String::new() };
        let refused = client.fetch_jwtsvid(with_header(request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn sockets_are_private_and_gone_after_a_shutdown_that_ends_the_streams() {
    let dev = start().await;
    let (socket, admin) = (dev.server.socket().to_owned(), dev.server.admin_socket().to_owned());
    for path in [&socket, &admin] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut stream = dev.client().await.stream_jwt_bundles().await.unwrap();
    soon(stream.next()).await.unwrap().unwrap();
    soon(dev.server.shutdown()).await;
    assert!(!matches!(soon(stream.next()).await, Some(Ok(_))));
    assert!(!socket.exists() && !admin.exists());
}

#[tokio::test]
async fn a_second_server_does_not_take_the_socket_of_a_living_one() {
    let dev = start().await;
    let mut second = Options::new(&id(CLIENT), dev.server.socket());
    second.admin_socket = admin_socket_beside(&dev.server.socket().with_extension("second"));
    let refused = TrustDomainServer::start(second).await.err().unwrap();
    assert!(matches!(refused, StartError::Socket(_)), "{refused}");
    dev.verify(&dev.token().await).await.unwrap();
}

#[tokio::test]
async fn an_entry_of_a_foreign_trust_domain_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.settings.entries.push(Entry::new(id("spiffe://other.org/client")));
    let refused = TrustDomainServer::start(options).await.err().unwrap();
    assert!(matches!(refused, StartError::Issuer(_)), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
