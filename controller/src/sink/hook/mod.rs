//! Tells the readers of a file that it has changed. Errors name what was tried, never what is in the file.

mod http;
mod process;
mod signal;

use std::path::Path;

use crate::config::{Action, Hook};

/// Does it once.
pub(super) async fn run(hook: &Hook, file: &Path) -> Result<(), String> {
    let done = async {
        match &hook.action {
            Action::Command(words) => process::run(words, file).await,
            Action::Http { url, method } => http::call(method, url).await,
            Action::Signal { signal, to } => signal::send(*signal, to),
        }
    };
    tokio::time::timeout(hook.timeout, done)
        .await
        .unwrap_or_else(|_| Err(format!("it did not end within {:?}", hook.timeout)))
}
