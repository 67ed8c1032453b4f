/// A change to the headers of a request that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Removes every value of a header.
    Remove(String),
    /// Sets a header to one value that replaces all others (checklist P8).
    Set(String, Vec<u8>),
}
