//! Wasm filters that decide nothing, to be put beside svidgate: by their configuration they
//!
//! - add one constant request header (none): the measure of what any Wasm filter costs;
//! - make the calls of the host that svidgate makes for a warm request, with constants (`calls`): what is left of svidgate's
//!   cost if its own code took no time;
//! - do that, and ask the host to check a signature (`calls` and the message in hexadecimal): the same for a cold request.

#[cfg(target_arch = "wasm32")]
mod calls;

#[cfg(target_arch = "wasm32")]
#[allow(missing_docs, reason = "the export is the macro's own")]
mod entry {
    use std::rc::Rc;

    use proxy_wasm::hostcalls::add_map_value;
    use proxy_wasm::traits::{Context, HttpContext, RootContext};
    use proxy_wasm::types::{Action, ContextType, MapType};

    use crate::calls::Calls;

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| Box::new(Root { calls: None }));
    }}

    struct Root {
        calls: Option<Rc<Calls>>,
    }

    struct Stream {
        calls: Option<Rc<Calls>>,
    }

    impl Context for Root {}
    impl RootContext for Root {
        fn on_configure(&mut self, _: usize) -> bool {
            let Some(configuration) = self.get_plugin_configuration() else { return true };
            self.calls = Calls::configured(&configuration).map(Rc::new);
            self.calls.is_some()
        }

        fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
            Some(Box::new(Stream { calls: self.calls.clone() }))
        }

        fn get_type(&self) -> Option<ContextType> {
            Some(ContextType::HttpContext)
        }
    }

    impl Context for Stream {}
    impl HttpContext for Stream {
        fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
            // The benchmark looks for the header before it measures, so a failure shows there.
            match &self.calls {
                Some(calls) => calls.make(),
                None => drop(add_map_value(MapType::HttpRequestHeaders, "x-bench", "1")),
            }
            Action::Continue
        }
    }
}
