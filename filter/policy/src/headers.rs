/// All headers of a request, borrowed from the buffer in which the proxy hands them over, repeated ones too.
#[derive(Debug)]
pub struct Headers<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Headers<'a> {
    /// These headers, names in lower case as Envoy keeps them.
    #[must_use]
    pub fn new(pairs: Vec<(&'a [u8], &'a [u8])>) -> Self {
        Self { pairs }
    }

    /// Every value of the header `name`, given in lower case as Envoy keeps them.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.pairs.iter().filter(move |(found, _)| *found == name.as_bytes()).map(|(_, value)| *value)
    }

    /// Every header, name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.pairs.iter().copied()
    }

    /// Every name, repeated ones too.
    pub fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.pairs.iter().map(|(name, _)| *name)
    }
}
