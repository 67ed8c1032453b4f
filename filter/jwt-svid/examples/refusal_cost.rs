//! Instructions that a refusal costs, over those of a valid token, counted by valgrind and therefore the same in each
//! run: `make bench-refusals`. Prints a table in Markdown; fails when a refused token costs more than it may.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a development tool may stop at the first surprise"
)]

use std::hint::black_box;

use svidgate_jwt_svid::{Bundle, BundleLimits};
use worst_inputs::{
    Input, ROOM, bundle_documents, bundles_of_size, prepare, refused, refused_of_size, valid,
    valid_and_large, verify,
};

#[path = "../tests/worst_inputs/mod.rs"]
mod worst_inputs;

/// What a refusal before the signature may cost, over a small valid token of ES256, which is SPIRE's default.
const EARLY_TO_ES256: f64 = 1.0;
/// The same over RS256 of 2048 bits, the cheapest of all checks.
const EARLY_TO_RS256: f64 = 2.0;
/// What a forged signature may cost, over a valid one of the same algorithm, and for the large tokens over a valid one of
/// the same payload.
const FORGED_TO_VALID: f64 = 1.05;
/// What twice the size may cost: a little more than twice, for the depth of sorted maps, and never four times.
const TWICE_THE_SIZE: f64 = 2.4;

fn main() {
    if svidgate_callgrind::is_measured() { run_all() } else { report(&count()) }
}

/// Each call of [`measured`] is a number in valgrind's output, in this order.
fn run_all() {
    prepare();
    for input in inputs() {
        measured(&Work::Verify(&input.token));
    }
    for (_, document) in documents() {
        measured(&Work::ReadBundle(&document));
    }
}

enum Work<'a> {
    Verify(&'a [u8]),
    ReadBundle(&'a [u8]),
}

#[inline(never)]
fn measured(work: &Work<'_>) {
    match black_box(work) {
        Work::Verify(token) => drop(black_box(verify(token))),
        Work::ReadBundle(document) => {
            drop(black_box(Bundle::from_jwks(document, &BundleLimits::default())));
        }
    }
}

/// The last ones are of four sizes, each twice the one before.
fn inputs() -> Vec<Input> {
    let growing = SIZES.map(|part| refused_of_size(ROOM / part)).concat();
    [valid(), valid_and_large(), refused(), growing].concat()
}

fn documents() -> Vec<(String, Vec<u8>)> {
    let growing = SIZES.map(|part| bundles_of_size(256 / part)).concat();
    [bundle_documents(), growing].concat()
}

const SIZES: [usize; 4] = [8, 4, 2, 1];

fn count() -> Vec<u64> {
    svidgate_callgrind::count("refusal_cost::measured", inputs().len() + documents().len(), None)
}

fn report(counts: &[u64]) {
    let inputs = inputs();
    let documents = documents();
    let counts: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
    let (of_inputs, of_documents) = counts.split_at(inputs.len());
    let listed = valid().len() + valid_and_large().len() + refused().len();
    let mut over = tokens(&inputs[..listed], of_inputs);

    println!(
        "\n| bundle document | bytes | instructions | to ES256 | for each byte |\n| --- | ---: | ---: | ---: | ---: |"
    );
    let listed_documents = bundle_documents().len();
    for ((name, document), count) in documents[..listed_documents].iter().zip(of_documents) {
        let bytes = document.len();
        println!("| {name} | {bytes} | {count} | {:.2} | {:.0} |", count / counts[0], count / bytes as f64);
    }

    println!(
        "\n| growth | instructions at 1/8, 1/4, 1/2 and the whole of the size | at twice the size, at most |\n| --- | --- | ---: |"
    );
    let names: Vec<_> = inputs[listed..].iter().map(|input| input.name.clone()).collect();
    over.extend(growth(&names, &of_inputs[listed..]));
    let names: Vec<_> = documents[listed_documents..].iter().map(|(name, _)| name.clone()).collect();
    over.extend(growth(&names, &of_documents[listed_documents..]));
    assert!(over.is_empty(), "dearer than they may be: {over:#?}");
}

/// The table of tokens; gives back the names of those above their bounds.
fn tokens(inputs: &[Input], counts: &[f64]) -> Vec<String> {
    let of = |name: &str| counts[inputs.iter().position(|input| input.name == name).unwrap()];
    let (es256, rs256) = (of("ES256"), of("RS256, 2048 bits"));
    let is_valid = valid().len() + valid_and_large().len();
    let mut over = Vec::new();
    println!(
        "| token | bytes | instructions | to ES256 | to RS256 | to the same one, valid |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    );
    for (index, (input, count)) in inputs.iter().zip(counts).enumerate() {
        let (to_es256, to_rs256) = (count / es256, count / rs256);
        let twin = match input.name.strip_prefix("forged signature, ") {
            Some(payload) => Some(of(payload)),
            None => input.signature.and(input.name.split_once(": signature of ")).map(|(key, _)| of(key)),
        };
        let is_over = match twin {
            _ if index < is_valid => false,
            Some(twin) => count / twin > FORGED_TO_VALID,
            None => to_es256 > EARLY_TO_ES256 || to_rs256 > EARLY_TO_RS256,
        };
        if is_over {
            over.push(input.name.clone());
        }
        let kind = if index < is_valid { "valid: " } else { "" };
        let to_twin = twin.map_or(String::new(), |twin| format!("{:.2}", count / twin));
        let (name, bytes) = (&input.name, input.token.len());
        println!("| {kind}{name} | {bytes} | {count} | {to_es256:.2} | {to_rs256:.2} | {to_twin} |");
    }
    over
}

/// The table of growth, from the counts of all names at one size, then at the next.
fn growth(names: &[String], counts: &[f64]) -> Vec<String> {
    let kinds = names.len() / SIZES.len();
    let mut over = Vec::new();
    for (kind, name) in names[..kinds].iter().enumerate() {
        let row: Vec<_> = counts.iter().skip(kind).step_by(kinds).copied().collect();
        let worst = row.windows(2).map(|pair| pair[1] / pair[0]).fold(0.0, f64::max);
        println!("| {name} | {row:?} | {worst:.2} |");
        if worst > TWICE_THE_SIZE {
            over.push(format!("growth of {name}"));
        }
    }
    over
}
