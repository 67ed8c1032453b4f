use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use svidgate_config::parse_json;

use super::node::{Node, Typed};

/// The plugin's settings as Envoy hands them on: the content of a `StringValue` or a `BytesValue`. Of any other message
/// it hands on the binary form, which no plugin reads as JSON; seen on Envoy 1.40 with a `Struct`.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    /// Where they stand; none when there are none.
    pub(super) at: Option<Node<'a>>,
    /// What the plugin reads, or why it cannot.
    pub(super) text: Result<Vec<u8>, String>,
    /// What was meant; null when even that cannot be read.
    pub(super) value: Value,
}

impl<'a> Settings<'a> {
    /// Reads the settings in a `PluginConfig`.
    pub(super) fn of(wasm: &Node<'a>) -> Self {
        let Some(any) = wasm.get("configuration") else {
            return Self { at: None, text: Ok(Vec::new()), value: Value::Null };
        };
        let name = Typed::of(&any).map(|typed| typed.name).unwrap_or_default();
        let value = any.get("value");
        let content = value.as_ref().and_then(Node::text).unwrap_or_default();
        let text = match name {
            "google.protobuf.StringValue" => Ok(content.as_bytes().to_vec()),
            "google.protobuf.BytesValue" => {
                STANDARD.decode(content).map_err(|error| format!("the bytes are not base64: {error}"))
            }
            name => {
                Err(format!("settings of the type {name:?} reach the plugin in binary form, not as JSON"))
            }
        };
        let meant = match (&text, &value) {
            (Ok(text), _) => parse_json(text).unwrap_or_default(),
            (Err(_), Some(value)) => value.value().clone(),
            (Err(_), None) => Value::Null,
        };
        Self { at: Some(value.unwrap_or(any)), text, value: meant }
    }
}
