//! `deploy/examples/hive`: the settings are good, and what they ask of Vault is what its policies and roles give.

use std::path::{Path, PathBuf};

use svidgate_controller::config::{AuthMethod, Config, Environment, load};
use svidgate_vault::Spec;

use crate::{stderr, svidgate_check};

const SERVICES: [(&str, &str); 3] = [
    ("orchestrator-dynamic", "neural-hive-orchestration"),
    ("worker-agents", "neural-hive-execution"),
    ("service-registry", "neural-hive-registry"),
];

fn hive() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/examples/hive")
}

fn settings(service: &str) -> (PathBuf, Config) {
    let path = hive().join(format!("{service}.yaml"));
    let config = load(Some(&path), &Environment::default()).unwrap();
    (path, config)
}

#[test]
fn the_settings_of_every_service_are_good() {
    let mut there: Vec<_> =
        std::fs::read_dir(hive()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    there.retain(|name| name.to_string_lossy().ends_with(".yaml"));
    assert_eq!(there.len(), SERVICES.len());
    for (service, _) in SERVICES {
        let (path, config) = settings(service);
        let output =
            svidgate_check(&["--strict".to_owned(), "--controller".to_owned(), path.display().to_string()]);
        assert!(output.status.success(), "{service}: {}", stderr(&output));
        assert!(!config.vault.as_ref().unwrap().fail_open, "{service}");
        assert!(!config.files.is_empty(), "{service}");
    }
}

#[test]
fn each_service_may_read_what_it_asks_for_and_logs_in_with_its_role() {
    let script = std::fs::read_to_string(hive().join("vault/setup.sh")).unwrap();
    for (service, namespace) in SERVICES {
        let (_, config) = settings(service);
        let vault = config.vault.unwrap();
        let AuthMethod::Kubernetes { role, .. } = &vault.auth.method else {
            panic!("{service}: another login")
        };
        assert_eq!(role, service);
        assert!(script.contains(&format!("\nrole {service} {namespace}\n")), "{service}");
        let policy = std::fs::read_to_string(hive().join(format!("vault/policies/{service}.hcl"))).unwrap();
        let allowed: Vec<&str> = policy.split('"').filter(|text| text.contains('/')).collect();
        let mut leased = false;
        for (name, secret) in &config.secrets {
            let path = match &secret.spec {
                Spec::Kv { mount, path, .. } => format!("{mount}/data/{path}"),
                Spec::Database { mount, role } => {
                    leased = true;
                    assert!(script.contains(&format!("write {mount}/roles/{role} ")), "{service}: {role}");
                    format!("{mount}/creds/{role}")
                }
                other => panic!("{service}: {name}: {other:?}"),
            };
            let may =
                |rule: &&&str| rule.strip_suffix('*').map_or(**rule == path, |start| path.starts_with(start));
            assert!(allowed.iter().any(|rule| may(&rule)), "{service}: the policy does not allow {path}");
        }
        assert_eq!(leased, allowed.contains(&"sys/leases/revoke"), "{service}");
    }
}
