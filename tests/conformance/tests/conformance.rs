//! The whole suite, as native code and, under Node, as Wasm.

#![cfg_attr(target_arch = "wasm32", allow(clippy::disallowed_methods))]

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
fn nothing_is_wrong() {
    let report = svidgate_conformance::run();
    #[cfg(target_arch = "wasm32")]
    wasm_bindgen_test::console_log!("{report}");
    assert!(report.is_clean(), "{report}");
}
