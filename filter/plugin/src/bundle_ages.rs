//! How old the bundle of each trust domain is that the configuration is about.

use std::collections::BTreeMap;

use svidgate_jwt_svid::TrustDomain;
use svidgate_policy::Settings;

/// A gauge for each trust domain from which a token may come by the settings: a closed list, because stats never expire
/// (checklist V16). A gauge is there from the first bundle of its trust domain on.
#[derive(Debug)]
pub struct BundleAges(Vec<BundleAge>);

#[derive(Debug)]
struct BundleAge {
    domain: TrustDomain,
    gauge: String,
    /// Unix milliseconds.
    observed: Option<u64>,
    /// Seconds.
    told: Option<u64>,
}

impl BundleAges {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let age = |domain: &TrustDomain| BundleAge {
            domain: domain.clone(),
            gauge: format!("trust_domain=.={domain};.;svidgate_trust_domain_bundle_age_seconds"),
            observed: None,
            told: None,
        };
        Self(settings.token_trust_domains().into_iter().map(age).collect())
    }

    /// Takes what was last observed of each trust domain, and gives the gauges that change by it at `now` (both Unix
    /// milliseconds), with their age in seconds. A bundle that is no more goes on to age, so that its end is seen.
    pub fn update<'a>(
        &'a mut self,
        observed: &BTreeMap<TrustDomain, u64>,
        now: u64,
    ) -> impl Iterator<Item = (&'a str, u64)> {
        self.0.iter_mut().filter_map(move |age| {
            age.observed = observed.get(&age.domain).copied().or(age.observed);
            let seconds = now.saturating_sub(age.observed?).checked_div(1000)?;
            let changed = age.told.replace(seconds) != Some(seconds);
            changed.then_some((age.gauge.as_str(), seconds))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use svidgate_jwt_svid::TrustDomain;

    use super::BundleAges;
    use crate::config::Config;

    fn ages(config: &str) -> BundleAges {
        BundleAges::new(&Config::parse(config.as_bytes()).unwrap().settings)
    }

    fn observed(times: &[(&str, u64)]) -> BTreeMap<TrustDomain, u64> {
        times.iter().map(|(name, at)| (TrustDomain::parse(name).unwrap(), *at)).collect()
    }

    #[test]
    fn v16_gauges_are_for_the_trust_domains_that_the_configuration_names_and_no_others() {
        let config = r#"{"audiences": ["b.test"], "max_staleness": {"trust_domains": {"stale.test": "1h"}}, "rules": [
            {"name": "a", "match": {}, "require": "jwt", "trust_domains": ["domain.test"]},
            {"name": "b", "match": {}, "require": "either", "spiffe_ids": ["spiffe://id.test/x", "spiffe://id.test/y"]},
            {"name": "c", "match": {}, "require": "mtls", "trust_domains": ["peer.test"]}]}"#;
        let names = ["domain.test", "id.test", "other.test", "peer.test", "stale.test"];
        let mut ages = ages(config);
        let told: Vec<_> = ages.update(&observed(&names.map(|name| (name, 0))), 5_999).collect();
        let gauge = |name| format!("trust_domain=.={name};.;svidgate_trust_domain_bundle_age_seconds");
        let expected = ["domain.test", "id.test", "stale.test"].map(gauge);
        assert_eq!(told, expected.iter().map(|name| (name.as_str(), 5)).collect::<Vec<_>>());
    }

    #[test]
    fn p12_an_age_counts_from_the_last_observation_and_goes_on_when_the_bundle_is_gone() {
        let mut ages = ages(r#"{"audiences": ["b.test"], "allowed_spiffe_ids": ["spiffe://a.test/x"]}"#);
        let mut seconds = |times: &[(&str, u64)], now| {
            ages.update(&observed(times), now).map(|(_, seconds)| seconds).next()
        };
        assert_eq!(seconds(&[], 10_000), None, "no bundle yet");
        assert_eq!(seconds(&[("a.test", 9_000)], 10_000), Some(1));
        assert_eq!(seconds(&[("a.test", 9_000)], 10_500), None, "it has been told");
        assert_eq!(seconds(&[("a.test", 9_000)], 11_000), Some(2));
        assert_eq!(seconds(&[("a.test", 11_000)], 11_250), Some(0));
        assert_eq!(seconds(&[], 71_000), Some(60));
        assert_eq!(seconds(&[("a.test", 80_000)], 72_000), Some(0), "a clock that runs ahead");
    }
}
