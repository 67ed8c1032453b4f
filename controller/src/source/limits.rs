use svidgate_jwt_svid::BundleLimits;
use svidgate_snapshot::{MAX_BUNDLE_BYTES, MAX_BUNDLE_KEYS};

/// What a source may make us hold (checklist B9). Errors give the limit and the actual value.
#[derive(Clone, Debug)]
pub struct Limits {
    /// One message in bytes, as it is on the wire. A larger one cannot be read: the stream ends, and what was
    /// received before stays in force.
    pub max_message_bytes: usize,
    /// Each bundle as the source gives it.
    pub bundle: BundleLimits,
    /// Each bundle as filters get it (usable keys, public members), in bytes.
    pub max_jwks_bytes: usize,
}

impl Default for Limits {
    /// Every trust domain that is federated with ours is in the same message and the same snapshot, so none of them
    /// may be large enough to push out the others. 64 keys in 64 KiB are ten times what a trust domain has in the
    /// middle of a rotation, and 16 such bundles fit into a snapshot. 16 MiB is four times what gRPC clients take by
    /// default: a message with more trust domains than a snapshot holds is still read, and what fits is passed on.
    fn default() -> Self {
        Self {
            max_message_bytes: 16 * 1024 * 1024,
            bundle: BundleLimits { max_keys: MAX_BUNDLE_KEYS, ..BundleLimits::default() },
            max_jwks_bytes: MAX_BUNDLE_BYTES,
        }
    }
}
