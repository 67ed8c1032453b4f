//! Templates: minijinja, with what is undefined as an error, and filters that escape for a format.
//!
//! A secret may stand in a value that an error of the engine tells of, so such errors are shown by kind and line only.

mod context;
mod escape;
mod ready;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use zeroize::Zeroizing;

pub use context::Inputs;
use context::{Asked, Root};
pub use ready::name;

use crate::config::Ready;
use crate::secrets::Secret;

/// A template that was understood.
#[derive(Clone, Debug)]
pub struct Template {
    source: Arc<str>,
    /// The secret that a ready one calls `secret`, and its `with`.
    ready: Option<(Option<String>, Value)>,
}

/// A file's content.
pub struct Rendered {
    /// As it is written.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The secrets in it.
    pub secrets: Vec<Arc<Secret>>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

/// Why there is no content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// What it needs was not received yet, or has ended.
    #[error("waits for {}", .0.join(", "))]
    Waiting(Vec<String>),
    /// It cannot be rendered as it is. No value is in the text.
    #[error("{0}")]
    Failed(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn compile(source: &str) -> Result<Self, String> {
        let template = Self { source: Arc::from(source), ready: None };
        let compiled = ENGINE.template_from_str(source).map_err(|error| {
            format!("line {}: {}", error.line().unwrap_or(1), error.detail().unwrap_or("syntax error"))
        })?;
        for name in compiled.undeclared_variables(false) {
            if !context::ROOTS.contains(&name.as_str()) && !FUNCTIONS.contains(&name.as_str()) {
                return Err(format!(
                    "uses `{name}`, which is not there; there are {}",
                    context::ROOTS.join(", ")
                ));
            }
        }
        template.try_out()?;
        Ok(template)
    }

    /// A ready one.
    #[must_use]
    pub fn ready(ready: &Ready) -> Self {
        let with = Value::from(Serde(&ready.with));
        Self { source: Arc::from(ready::source(ready.format)), ready: Some((ready.secret.clone(), with)) }
    }

    /// The secrets that it names, as far as they can be told without running it.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        let Ok(compiled) = ENGINE.template_from_str(&self.source) else { return BTreeSet::new() };
        let named = |path: String| {
            let rest = path.strip_prefix("secrets.").or_else(|| path.strip_prefix("leases."))?;
            rest.split('.').next().map(str::to_owned)
        };
        compiled.undeclared_variables(true).into_iter().filter_map(named).collect()
    }

    /// Whether it names the X.509-SVID or a bundle.
    #[must_use]
    pub fn needs_workload_api(&self) -> bool {
        if let Some((secret, _)) = &self.ready {
            return secret.is_none();
        }
        let Ok(compiled) = ENGINE.template_from_str(&self.source) else { return false };
        compiled.undeclared_variables(false).iter().any(|name| name == "svid" || name == "bundles")
    }

    /// The content as of now.
    ///
    /// # Errors
    /// When something is missing, or does not go together.
    pub fn render(&self, inputs: &Inputs) -> Result<Rendered, RenderError> {
        let asked = Asked::default();
        let root = Root::new(inputs, &asked, self.ready.clone());
        let rendered = self.run(Value::from_object(root));
        let secrets = asked.used();
        match rendered {
            Ok(text) => Ok(Rendered { bytes: Zeroizing::new(text.into_bytes()), secrets }),
            Err(error) => Err(asked.explain(&error)),
        }
    }

    fn run(&self, root: Value) -> Result<String, minijinja::Error> {
        ENGINE.template_from_str(&self.source)?.render(root)
    }

    /// Filters are looked up by their names only when they are reached, so it is run over a context in which everything
    /// is there. What it does with the values is not judged: they are made up.
    fn try_out(&self) -> Result<(), String> {
        let Err(error) = self.run(Value::from_object(context::Anything)) else { return Ok(()) };
        let line = error.line().unwrap_or(1);
        match error.kind() {
            ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::TooManyArguments
            | ErrorKind::MissingArgument => {
                Err(format!("line {line}: {}: {}", error.kind(), error.detail().unwrap_or_default()))
            }
            _ => Ok(()),
        }
    }
}

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    // With the filters, tests and functions of the engine; no loader, so nothing is included.
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    // A name such as `x.json` would choose an escape by itself.
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    if let Ok(syntax) = syntax.build() {
        engine.set_syntax(syntax);
    }
    // It would write all that there is into the file.
    engine.remove_global("debug");
    escape::add_to(&mut engine);
    engine
});

/// Of the engine; the analysis calls them variables.
const FUNCTIONS: [&str; 3] = ["range", "dict", "namespace"];

#[cfg(test)]
mod tests;
