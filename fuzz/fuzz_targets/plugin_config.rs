//! The plugin's configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use svidgate_fuzz::lenient;
use svidgate_plugin::config::Config;
use svidgate_policy::{Requirement, Settings};

fuzz_target!(|data: &[u8]| {
    match Config::parse(data) {
        Err(errors) => {
            assert!(errors.iter().next().is_some());
            assert!(errors.iter().all(|error| !error.message.is_empty()));
            // What goes to the log is one line for each mistake, whatever was in the text.
            assert!(!errors.to_string().chars().any(|c| c.is_control() && c != '\n'), "{errors}");
        }
        Ok(config) => {
            let demands = config.verifier.config();
            assert!(demands.audiences.iter().next().is_some());
            assert!(demands.algorithms.iter().next().is_some());
            assert!((512..=65536).contains(&demands.max_token_bytes) && demands.clock_skew <= 300);
            assert!((1..=60).contains(&config.controller.wait.as_secs()));
            let settings = &config.settings;
            let least = config.controller.wait * 2;
            let mut bounds =
                settings.staleness.default.iter().chain(settings.staleness.trust_domains.values());
            assert!(bounds.all(|bound| *bound >= least));
            assert!(!settings.sources.is_empty() && !settings.policy.rules().is_empty());
            let upstream = &settings.upstream;
            let headers: Vec<_> = [&upstream.spiffe_id_header, &upstream.audit_header]
                .into_iter()
                .chain(&upstream.trust_domain_header)
                .chain(upstream.claims.iter().map(|claim| &claim.header))
                .collect();
            for (at, header) in headers.iter().enumerate() {
                assert!(header.bytes().all(|b| b"abcdefghijklmnopqrstuvwxyz0123456789-".contains(&b)));
                assert!(!headers[..at].contains(header), "{header} twice");
            }
            for rule in settings.policy.rules() {
                let (demands, callers) = match &rule.require {
                    Requirement::None => (None, None),
                    Requirement::Jwt(demands) | Requirement::Either(demands) => (Some(demands), None),
                    Requirement::Mtls(callers) => (None, Some(callers)),
                    Requirement::Both(demands, callers) => (Some(demands), Some(callers)),
                };
                for callers in demands.map(|demands| &demands.callers).into_iter().chain(callers) {
                    assert!(!callers.spiffe_ids.is_empty() || !callers.trust_domains.is_empty(), "{rule:?}");
                }
                // What a rule takes, the verifier lets through to it.
                let mut audiences = demands.iter().flat_map(|demands| demands.audiences.iter());
                let ours = &config.verifier.config().audiences;
                assert!(audiences.all(|audience| ours.contains(audience)));
            }

            let Some(mut value) = lenient(data) else { return };
            let again = Config::parse(value.to_string().as_bytes()).unwrap();
            assert_eq!(shown(&again), shown(&config));
            value["unknown"] = json!(1);
            assert!(Config::parse(value.to_string().as_bytes()).is_err());
        }
    }
});

/// What a configuration says; the compiled form of its rules has no order in which it could be printed.
fn shown(config: &Config) -> String {
    let Config { name, controller, verifier, settings, answers, log, token_cache, .. } = config;
    let Settings { policy, mode, fail_open, sources, peer, upstream, staleness, clock_skew } =
        settings.as_ref();
    format!(
        "{name} {controller:?} {verifier:?} {:?} {mode:?} {fail_open} {sources:?} {peer:?} {upstream:?} {staleness:?} \
         {clock_skew} {answers:?} {log:?} {token_cache:?}",
        policy.rules()
    )
}
