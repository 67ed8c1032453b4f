//! The plugin's configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use svidgate_fuzz::lenient;
use svidgate_plugin::config::Config;

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
            assert!(config.max_staleness.is_none_or(|most| most >= config.controller.wait * 2));
            assert!(
                config.identity_header.bytes().all(|b| b"abcdefghijklmnopqrstuvwxyz0123456789-".contains(&b))
            );

            let Some(mut value) = lenient(data) else { return };
            let again = Config::parse(value.to_string().as_bytes()).unwrap();
            assert_eq!(format!("{again:?}"), format!("{config:?}"));
            value["unknown"] = json!(1);
            assert!(Config::parse(value.to_string().as_bytes()).is_err());
        }
    }
});
