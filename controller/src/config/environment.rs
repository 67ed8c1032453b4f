use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::workload_api::SOCKET_ENV;

/// One environment variable and the setting that it overrides.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Name in the environment.
    pub name: &'static str,
    section: &'static str,
    field: &'static str,
    kind: Kind,
}

/// Every variable that `svidgate run` reads, apart from the standard's own `SPIFFE_ENDPOINT_SOCKET`.
pub const VARIABLES: [Variable; 11] = [
    Variable::text("SVIDGATE_WORKLOAD_API_SOCKET", "workload_api", "socket"),
    Variable::text("SVIDGATE_SERVER_SOCKET", "server", "socket"),
    Variable::text("SVIDGATE_SERVER_MODE", "server", "mode"),
    Variable {
        name: "SVIDGATE_SERVER_ALLOWED_UIDS",
        section: "server",
        field: "allowed_uids",
        kind: Kind::Numbers,
    },
    Variable::text("SVIDGATE_SERVER_ADMIN_SOCKET", "server", "admin_socket"),
    Variable::text("SVIDGATE_REVOCATIONS_FILE", "revocations", "file"),
    Variable::text("SVIDGATE_REVOCATIONS_STATE_FILE", "revocations", "state_file"),
    Variable::text("SVIDGATE_VAULT_ADDRESS", "vault", "address"),
    Variable::text("SVIDGATE_VAULT_NAMESPACE", "vault", "namespace"),
    Variable::text("SVIDGATE_LOG_FORMAT", "log", "format"),
    Variable::text("SVIDGATE_LOG_LEVEL", "log", "level"),
];

/// A copy of the environment, so that tests need not change the process's.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's environment, as far as the controller reads it.
    #[must_use]
    pub fn of_process() -> Self {
        let names = VARIABLES.iter().map(|variable| variable.name).chain([SOCKET_ENV]);
        names.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect()
    }

    /// Writes the variables over `root`. An empty variable counts as unset: that is how a shell or a Pod template
    /// spells "nothing".
    pub(super) fn overlay(&self, root: &mut Value) -> Overridden {
        let mut overridden = Overridden(BTreeMap::new());
        let Some(root) = root.as_object_mut() else { return overridden };
        for variable in VARIABLES {
            if let Some(text) = self.get(variable.name) {
                overridden.set(root, &variable, variable.kind.read(text));
            }
        }
        // The standard's variable is a fallback and no override: an explicit address comes first (checklist B7).
        let fallback = Variable::text(SOCKET_ENV, "workload_api", "socket");
        if let Some(text) = self.get(SOCKET_ENV)
            && !fallback.is_set(root)
        {
            overridden.set(root, &fallback, Value::String(text.to_owned()));
        }
        overridden
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Which settings came from the environment, so that an error can name the variable.
pub(super) struct Overridden(BTreeMap<String, &'static str>);

impl Overridden {
    pub(super) fn explain(&self, error: &svidgate_config::Error) -> String {
        // An item of a list has a path such as `server.allowed_uids[1]`.
        let field = error.path.split('[').next().unwrap_or_default();
        match self.0.get(field) {
            Some(variable) => format!("{error} (set by ${variable})"),
            None => error.to_string(),
        }
    }

    fn set(&mut self, root: &mut Map<String, Value>, variable: &Variable, value: Value) {
        let section = root.entry(variable.section).or_insert(Value::Null);
        if section.is_null() {
            *section = Value::Object(Map::new());
        }
        // A section of another type is an error of the file, reported when it is read.
        if let Some(section) = section.as_object_mut() {
            section.insert(variable.field.to_owned(), value);
            self.0.insert(variable.setting(), variable.name);
        }
    }
}

impl Variable {
    const fn text(name: &'static str, section: &'static str, field: &'static str) -> Self {
        Self { name, section, field, kind: Kind::Text }
    }

    /// Path of the setting that it overrides.
    #[must_use]
    pub fn setting(&self) -> String {
        format!("{}.{}", self.section, self.field)
    }

    fn is_set(&self, root: &Map<String, Value>) -> bool {
        root.get(self.section)
            .and_then(|section| section.get(self.field))
            .is_some_and(|value| !value.is_null())
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    /// Separated by commas.
    Numbers,
}

impl Kind {
    fn read(self, text: &str) -> Value {
        match self {
            Self::Text => Value::String(text.to_owned()),
            Self::Numbers => text
                .split(',')
                .map(|item| item.trim().parse::<u64>().map_or_else(|_| Value::from(item), Value::from))
                .collect(),
        }
    }
}
