//! A Wasm filter that adds one constant request header and does nothing else: the measure of what any Wasm filter costs.

#[cfg(target_arch = "wasm32")]
#[allow(missing_docs, reason = "the export is the macro's own")]
mod entry {
    use proxy_wasm::hostcalls::add_map_value;
    use proxy_wasm::traits::{Context, HttpContext, RootContext};
    use proxy_wasm::types::{Action, ContextType, MapType};

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| Box::new(Root));
    }}

    struct Root;
    struct Stream;

    impl Context for Root {}
    impl RootContext for Root {
        fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
            Some(Box::new(Stream))
        }

        fn get_type(&self) -> Option<ContextType> {
            Some(ContextType::HttpContext)
        }
    }

    impl Context for Stream {}
    impl HttpContext for Stream {
        fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
            // The benchmark looks for the header before it measures, so a failure shows there.
            let _ = add_map_value(MapType::HttpRequestHeaders, "x-bench", "1");
            Action::Continue
        }
    }
}
