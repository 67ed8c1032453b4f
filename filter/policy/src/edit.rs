use std::borrow::Cow;

/// A change to the headers of a request that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<'e> {
    /// Removes every value of a header.
    Remove(&'e str),
    /// Sets a header to one value that replaces all others (checklist P8).
    Set(&'e str, Cow<'e, [u8]>),
}
