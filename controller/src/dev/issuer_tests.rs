use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

fn settings(clock: Clock) -> Settings {
    Settings {
        trust_domain: TrustDomain::parse("example.org").unwrap(),
        federated: vec![TrustDomain::parse("other.org").unwrap()],
        entries: vec![Entry::new(id("spiffe://example.org/client"))],
        ttl: Duration::from_secs(300),
        key_type: KeyType::Es256,
        clock,
    }
}

async fn issuer() -> Issuer {
    Issuer::new(settings(Arc::new(|| UNIX_EPOCH + Duration::from_secs(1_000)))).await.unwrap()
}

fn own(issuer: &Issuer) -> TrustDomain {
    issuer.settings().trust_domain.clone()
}

fn states(issuer: &Issuer) -> Vec<(String, KeyState)> {
    let keys = issuer.keys(&own(issuer)).unwrap();
    keys.into_iter().map(|key| (key.kid, key.state)).collect()
}

fn claims(token: &str) -> serde_json::Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn a_rotation_keeps_the_old_key_and_a_revocation_removes_it() {
    let issuer = issuer().await;
    let first = states(&issuer)[0].0.clone();
    let second = issuer.rotate(&own(&issuer), None).await.unwrap();
    assert_eq!(states(&issuer), [(second.clone(), KeyState::Active), (first.clone(), KeyState::Old)]);
    assert_eq!(issuer.revoke(&own(&issuer), Revoke::AllOld).await.unwrap(), [first]);
    assert_eq!(states(&issuer), [(second, KeyState::Active)]);
    assert!(issuer.revoke(&own(&issuer), Revoke::AllOld).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_rotation_activates_what_was_prepared() {
    let issuer = issuer().await;
    let prepared = issuer.prepare(&own(&issuer), None).await.unwrap();
    assert_eq!(issuer.rotate(&own(&issuer), None).await.unwrap(), prepared);
}

#[tokio::test]
async fn a_revoked_active_key_is_replaced_by_one_of_its_kind_first() {
    let issuer = issuer().await;
    let first = states(&issuer)[0].0.clone();
    issuer.revoke(&own(&issuer), Revoke::Kid(first.clone())).await.unwrap();
    let keys = issuer.keys(&own(&issuer)).unwrap();
    assert_eq!(keys.len(), 1);
    assert_ne!(keys[0].kid, first);
    assert_eq!((keys[0].state, keys[0].key_type), (KeyState::Active, KeyType::Es256));
}

#[tokio::test]
async fn a_rotation_may_change_the_kind_of_key() {
    let issuer = issuer().await;
    issuer.rotate(&own(&issuer), Some(KeyType::Rs256)).await.unwrap();
    let kinds: Vec<_> = issuer.keys(&own(&issuer)).unwrap().into_iter().map(|key| key.key_type).collect();
    assert_eq!(kinds, [KeyType::Rs256, KeyType::Es256]);
}

#[tokio::test]
async fn v09_trust_domains_rotate_apart_and_share_no_key() {
    let issuer = issuer().await;
    let other = TrustDomain::parse("other.org").unwrap();
    let before = issuer.keys(&other).unwrap();
    assert_ne!(before[0].kid, states(&issuer)[0].0);
    issuer.rotate(&own(&issuer), None).await.unwrap();
    assert_eq!(issuer.keys(&other).unwrap(), before);
}

#[tokio::test]
async fn times_of_a_token_come_from_the_injected_clock() {
    let seconds = Arc::new(AtomicU64::new(1_000));
    let told = Arc::clone(&seconds);
    let clock: Clock = Arc::new(move || UNIX_EPOCH + Duration::from_secs(told.load(Ordering::SeqCst)));
    let issuer = Issuer::new(settings(clock)).await.unwrap();
    let client = id("spiffe://example.org/client");
    let token = issuer.issue(&client, &["a".to_owned(), "b".to_owned()]).unwrap();
    let expected = serde_json::json!({"sub": client.as_str(), "aud": ["a", "b"], "iat": 1_000, "exp": 1_300});
    assert_eq!(claims(&token), expected);

    seconds.store(5_000, Ordering::SeqCst);
    let mint = Mint {
        spiffe_id: client,
        audience: vec!["a".to_owned()],
        ttl: Some(Duration::from_secs(2)),
        issued_ago: Duration::from_secs(3),
    };
    let token = claims(&issuer.mint(&mint).unwrap());
    assert_eq!((&token["iat"], &token["exp"]), (&4_997.into(), &4_999.into()));
}

#[tokio::test]
async fn a_token_without_audience_lifetime_or_known_trust_domain_is_not_made() {
    let issuer = issuer().await;
    let client = id("spiffe://example.org/client");
    let good = Mint {
        spiffe_id: client.clone(),
        audience: vec!["a".to_owned()],
        ttl: None,
        issued_ago: Duration::ZERO,
    };
    issuer.mint(&good).unwrap();
    for audience in [vec![], vec![String::new()]] {
        let refused = issuer.mint(&Mint { audience, ..good.clone() });
        assert!(matches!(refused, Err(IssuerError::Audience)));
    }
    let refused = issuer.mint(&Mint { ttl: Some(Duration::from_millis(999)), ..good.clone() });
    assert!(matches!(refused, Err(IssuerError::Lifetime)));
    let refused = issuer.mint(&Mint { issued_ago: Duration::from_secs(1_001), ..good.clone() });
    assert!(matches!(refused, Err(IssuerError::Time)));
    let refused = issuer.mint(&Mint { spiffe_id: id("spiffe://unknown.org/a"), ..good });
    assert!(matches!(refused, Err(IssuerError::UnknownTrustDomain(_))));
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let good = settings(Arc::new(|| UNIX_EPOCH));
    let refused = Issuer::new(Settings { entries: vec![], ..good.clone() }).await;
    assert!(matches!(refused, Err(IssuerError::NoEntry)));
    let foreign = vec![Entry::new(id("spiffe://other.org/client"))];
    let refused = Issuer::new(Settings { entries: foreign, ..good.clone() }).await;
    assert!(matches!(refused, Err(IssuerError::ForeignEntry(..))));
    let twice = vec![good.trust_domain.clone()];
    let refused = Issuer::new(Settings { federated: twice, ..good.clone() }).await;
    assert!(matches!(refused, Err(IssuerError::DuplicateTrustDomain(_))));
    let refused = Issuer::new(Settings { ttl: Duration::ZERO, ..good }).await;
    assert!(matches!(refused, Err(IssuerError::Lifetime)));
}

#[tokio::test]
async fn b05_an_unfederated_trust_domain_is_gone_and_the_own_one_stays() {
    let issuer = issuer().await;
    let other = TrustDomain::parse("other.org").unwrap();
    issuer.unfederate(&other).await.unwrap();
    assert!(issuer.keys(&other).is_err());
    assert!(issuer.unfederate(&other).await.is_err());
    assert!(issuer.unfederate(&own(&issuer)).await.is_err());
}
