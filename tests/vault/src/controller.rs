//! The program `svidgate`, with settings of a test.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use svidgate_tests::{Process, Programs};

use crate::Setup;

impl Setup {
    /// Settings with an AppRole of this policy, without secrets and files.
    pub fn controller_settings(&self, policy: &str) -> Value {
        let folder = self.folder().path();
        json!({
            "workload_api": {"socket": format!("unix://{}/no-agent.sock", folder.display())},
            "server": {"socket": folder.join("controller.sock")},
            "log": {"level": "debug"},
            "vault": self.vault_section(policy),
        })
    }

    /// `svidgate run` with these settings.
    pub fn controller(&self, settings: &Value, arguments: &[&str]) -> Command {
        // JSON is YAML.
        let file = self.file("controller.yaml", &settings.to_string());
        let mut command = Command::new(Programs::svidgate());
        command.arg("run").arg("--config").arg(file).args(arguments);
        command
    }

    /// Starts it.
    pub fn start_controller(&self, settings: &Value) -> Process {
        Process::start("svidgate", self.controller(settings, &[]), self.folder().path())
    }

    /// Settings of the example `deploy/examples/hive`, with its files in the folder of the test.
    pub fn hive(&self, service: &str) -> Value {
        let shipped = Programs::shipped(&format!("deploy/examples/hive/{service}.yaml"));
        let text = std::fs::read_to_string(shipped).expect("the example");
        let text = text.replace("/run/hive", &self.folder().path().display().to_string());
        serde_saphyr::from_str(&text).expect("YAML")
    }

    /// The policy of a service of that example, in this OpenBao.
    pub fn hive_policy(&self, service: &str) {
        let shipped: PathBuf =
            Programs::shipped(&format!("deploy/examples/hive/vault/policies/{service}.hcl"));
        let policy = std::fs::read_to_string(shipped).expect("the example");
        self.bao.write(&format!("sys/policies/acl/{service}"), &json!({ "policy": policy }));
    }
}
