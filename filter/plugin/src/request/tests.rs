use super::Judge;
use crate::config::Config;

fn judge() -> Judge {
    let config = r#"{"audiences": ["b.test"], "allowed_spiffe_ids": ["spiffe://a.test/x"]}"#;
    Judge::new(Config::parse(config.as_bytes()).unwrap())
}

#[test]
fn v17_p08_whatever_folds_to_the_identity_header_is_taken_for_it() {
    let judge = judge();
    for name in ["x-spiffe-id", "X-Spiffe-Id", "x_spiffe_id", "x.spiffe-ID", "x~spiffe!id"] {
        assert!(judge.is_identity_header(name.as_bytes()), "{name}");
    }
    for name in ["x-spiffe-ids", "x-spiffe-i", "spiffe-id", "xx-spiffe-id", ""] {
        assert!(!judge.is_identity_header(name.as_bytes()), "{name}");
    }
}
