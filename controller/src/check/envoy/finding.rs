use std::fmt;

use super::node::Node;

/// Something in a configuration that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(super) kind: &'static Kind,
    file: String,
    path: String,
    what: String,
    mend: String,
}

impl Finding {
    /// `what` is wrong there, and what to do about it.
    pub(super) fn new(
        kind: &'static Kind,
        node: &Node<'_>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (file, path) = (node.file.to_owned(), node.path.clone());
        Self { kind, file, path, what: what.into(), mend: mend.into() }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.kind.severity == Severity::Error
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.kind.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{}: {severity}[{}]: {}", self.file, self.kind.id, self.what)?;
        let path = if self.path.is_empty() { "the whole file" } else { &self.path };
        writeln!(f, "  at    {path}")?;
        writeln!(f, "  why   {}", wrap(self.kind.why))?;
        write!(f, "  mend  {}", self.mend.lines().map(wrap).collect::<Vec<_>>().join(NEXT_LINE))
    }
}

/// A kind of finding: its name, how bad it is, and what can happen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    pub(super) why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// A request can pass that should not, or nothing can work: the exit status tells.
    Error,
    /// Weaker than it could be, or not to be judged from what was given.
    Warning,
}

/// Lines of code begin with blanks and stay whole, so that they can be copied.
fn wrap(line: &str) -> String {
    if line.starts_with(' ') || line.starts_with("- ") {
        return line.to_owned();
    }
    let mut out = String::new();
    let mut width = 0_usize;
    for word in line.split(' ') {
        let length = word.chars().count();
        if width > 0 && width.saturating_add(length) >= WIDTH {
            out.push_str(NEXT_LINE);
            width = 0;
        } else if width > 0 {
            out.push(' ');
        }
        out.push_str(word);
        width = width.saturating_add(length).saturating_add(1);
    }
    out
}

const NEXT_LINE: &str = "\n        ";
/// With the eight columns in front, a hundred.
const WIDTH: usize = 92;
