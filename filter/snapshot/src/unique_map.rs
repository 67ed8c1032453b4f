//! Maps keyed by trust domain in which a name may stand once: serde would keep the last of two.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use svidgate_jwt_svid::TrustDomain;

pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<BTreeMap<TrustDomain, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct UniqueMap<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for UniqueMap<T> {
        type Value = BTreeMap<TrustDomain, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with trust domain names as members")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                let domain =
                    TrustDomain::parse(&name).map_err(|_| A::Error::custom("invalid trust domain name"))?;
                if entries.insert(domain, map.next_value()?).is_some() {
                    return Err(A::Error::custom("duplicate trust domain"));
                }
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_map(UniqueMap(PhantomData))
}
