//! Structured logs on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{Log, LogFormat};

/// Starts logging for the process. Our own lines follow `log.level`; those of libraries show from WARN on, because
/// at `debug` and `trace` they dump frames, and frames may carry tokens.
///
/// A second call changes nothing.
pub fn init(log: &Log) {
    let targets =
        Targets::new().with_default(log.level.min(LevelFilter::WARN)).with_target("svidgate", log.level);
    let layer = match log.format {
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
        // Colours are for a terminal, not for a file.
        LogFormat::Text => {
            fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).boxed()
        }
    };
    // Only fails when a subscriber is already there, as in tests.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    // What a panic says may have a value in it, such as the text that could not be cut.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, "a fault in the program");
    }));
}
