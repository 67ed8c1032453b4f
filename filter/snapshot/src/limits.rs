/// What a snapshot may cost the reader; errors give the limit and the actual value (checklist B9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Encoded size in bytes.
    pub max_bytes: usize,
    /// Number of trust domains.
    pub max_trust_domains: usize,
}

impl Default for Limits {
    /// 1 MiB holds about 500 trust domains with two RSA-4096 keys each, far below Envoy's cap of 32 MiB on a
    /// response, and parses within milliseconds on each worker.
    fn default() -> Self {
        Self { max_bytes: 1024 * 1024, max_trust_domains: 1000 }
    }
}
