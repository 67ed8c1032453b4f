//! Maps in which a name may stand once: serde would keep the last of two.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use svidgate_jwt_svid::TrustDomain;

/// By trust domain.
pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<BTreeMap<TrustDomain, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    unique(deserializer, |name| TrustDomain::parse(name).map_err(|_| "invalid trust domain name"))
}

/// By any text.
pub(crate) fn by_text<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    unique(deserializer, |name| Ok(name.to_owned()))
}

/// A value that may be absent but is not `null`: there is one spelling of each state.
pub(crate) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn unique<'de, D, K, T>(
    deserializer: D,
    key: impl Fn(&str) -> Result<K, &'static str>,
) -> Result<BTreeMap<K, T>, D::Error>
where
    D: Deserializer<'de>,
    K: Ord,
    T: Deserialize<'de>,
{
    struct UniqueMap<F, K, T>(F, PhantomData<(K, T)>);

    impl<'de, F, K, T> Visitor<'de> for UniqueMap<F, K, T>
    where
        F: Fn(&str) -> Result<K, &'static str>,
        K: Ord,
        T: Deserialize<'de>,
    {
        type Value = BTreeMap<K, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of which each member stands once")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                let key = self.0(&name).map_err(A::Error::custom)?;
                if entries.insert(key, map.next_value()?).is_some() {
                    return Err(A::Error::custom("a member stands twice"));
                }
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_map(UniqueMap(key, PhantomData))
}
