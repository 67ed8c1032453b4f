//! Checks a built plugin: it imports nothing but the proxy-wasm functions, and prints its size.
//!
//! Envoy refuses a module with an import that it does not know ("missing import"), and one of WASI or of JavaScript
//! would mean that a dependency reaches for a clock, for randomness or for files.

use std::process::ExitCode;

use anyhow::Context as _;
use wasmparser::{Parser, Payload};

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]
fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: svidgate-wasm-check FILE.wasm…");
        return ExitCode::from(64);
    }
    let mut good = true;
    for file in &files {
        match check(file) {
            Ok(summary) => println!("{file}: {summary}"),
            Err(error) => {
                eprintln!("{file}: {error:#}");
                good = false;
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(file: &str) -> anyhow::Result<String> {
    let module = std::fs::read(file)?;
    let imports = imports(&module)?;
    let foreign: Vec<_> = imports.iter().filter(|name| !name.starts_with("env.proxy_")).cloned().collect();
    anyhow::ensure!(foreign.is_empty(), "imports other than env.proxy_*: {}", foreign.join(", "));
    Ok(format!("{} bytes, {} imports, all of them env.proxy_*", module.len(), imports.len()))
}

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
