//! Checks a built plugin: it imports nothing but the proxy-wasm functions, has test hooks only where they are meant to
//! be, and prints its size.
//!
//! Envoy refuses a module with an import that it does not know ("missing import"), and one of WASI or of JavaScript
//! would mean that a dependency reaches for a clock, for randomness or for files.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use wasmparser::{Parser, Payload};

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (file, hooks) = match arguments.as_slice() {
        ["--test-hooks", file] => (*file, true),
        [file] => (*file, false),
        _ => {
            eprintln!("usage: svidgate-wasm-check [--test-hooks] FILE.wasm");
            return ExitCode::from(64);
        }
    };
    match check(file, hooks) {
        Ok(summary) => {
            println!("{file}: {summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{file}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(file: &str, hooks_wanted: bool) -> anyhow::Result<String> {
    let module = std::fs::read(file)?;
    let imports = imports(&module)?;
    let foreign: Vec<_> = imports.iter().filter(|name| !name.starts_with("env.proxy_")).cloned().collect();
    ensure!(foreign.is_empty(), "imports other than env.proxy_*: {}", foreign.join(", "));
    let has_hooks = module.windows(HOOKS_MARK.len()).any(|bytes| bytes == HOOKS_MARK);
    ensure!(!has_hooks || hooks_wanted, "has test hooks: faults on demand must never be shipped");
    // Otherwise a renamed key would make the check above pass for ever.
    ensure!(has_hooks || !hooks_wanted, "has no test hooks, or they no longer bear the mark of this check");
    let kib = module.len().div_ceil(1024);
    Ok(format!("{} bytes ({kib} KiB), {} imports, all of them env.proxy_*", module.len(), imports.len()))
}

/// Prefix of a key in shared data that only `test_hooks.rs` of the plugin uses.
const HOOKS_MARK: &[u8] = b"svidgate.test.";

fn imports(module: &[u8]) -> anyhow::Result<Vec<String>> {
    wasmparser::validate(module).context("no valid WebAssembly module")?;
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload? {
            for import in section.into_imports() {
                let import = import?;
                names.push(format!("{}.{}", import.module, import.name));
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::imports;

    /// `(module (import "m" "f" (func)))`, as the specification encodes it.
    const ONE_IMPORT: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x07\x01\x01m\x01f\0\0";

    #[test]
    fn imports_are_named_with_their_module() {
        assert_eq!(imports(ONE_IMPORT).unwrap(), ["m.f"]);
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(imports(b"not wasm").is_err());
        assert!(imports(&ONE_IMPORT[..ONE_IMPORT.len() - 1]).is_err());
    }
}
