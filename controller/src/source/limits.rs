use svidgate_jwt_svid::BundleLimits;

/// What a source may make us hold (checklist B9). Errors give the limit and the actual value.
#[derive(Clone, Debug)]
pub struct Limits {
    /// One message in bytes, as it is on the wire.
    pub max_message_bytes: usize,
    /// Trust domains in one message.
    pub max_trust_domains: usize,
    /// Each bundle.
    pub bundle: BundleLimits,
}

impl Default for Limits {
    /// 4 MiB is what gRPC clients take by default. The number of trust domains is what a snapshot may hold, since
    /// more could not be passed on.
    fn default() -> Self {
        Self {
            max_message_bytes: 4 * 1024 * 1024,
            max_trust_domains: svidgate_snapshot::Limits::default().max_trust_domains,
            bundle: BundleLimits::default(),
        }
    }
}
