//! JSON read leniently: duplicates and the text of numbers are kept, so that a disposition can look at them.
//! It shares nothing with the strict reader that is under test, and takes what Go's and serde's readers take.

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// The text of a number.
    Number(String),
    /// A string; lone surrogates became U+FFFD.
    Text(String),
    /// An array.
    Array(Vec<Tree>),
    /// Members in order, duplicates and all.
    Object(Vec<(String, Tree)>),
}

/// Reads a whole document of bytes; invalid UTF-8 became U+FFFD. `None` for what is no JSON to anybody.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Tree> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader { rest: &text };
    let tree = reader.value()?;
    reader.space();
    reader.rest.is_empty().then_some(tree)
}

impl Tree {
    /// The members of an object; none of anything else.
    #[must_use]
    pub fn members(&self) -> &[(String, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// The last member of this name, as most readers see it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A number as a double, which may be infinite.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        if let Self::Number(text) = self { text.parse().ok() } else { None }
    }

    /// Whether an object anywhere in it has a member twice.
    #[must_use]
    pub fn has_duplicates(&self) -> bool {
        match self {
            Self::Object(members) => {
                let mut names: Vec<_> = members.iter().map(|(name, _)| name).collect();
                names.sort_unstable();
                names.windows(2).any(|pair| pair[0] == pair[1])
                    || members.iter().any(|(_, value)| value.has_duplicates())
            }
            Self::Array(values) => values.iter().any(Self::has_duplicates),
            _ => false,
        }
    }

    /// Arrays and objects inside each other.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::Array(values) => 1 + values.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Values in all.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + match self {
            Self::Object(members) => members.iter().map(|(_, value)| value.count()).sum(),
            Self::Array(values) => values.iter().map(Self::count).sum(),
            _ => 0,
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self) -> Option<Tree> {
        self.space();
        match self.rest.chars().next()? {
            'n' => self.take("null").map(|()| Tree::Null),
            't' => self.take("true").map(|()| Tree::Bool),
            'f' => self.take("false").map(|()| Tree::Bool),
            '"' => self.string().map(Tree::Text),
            '[' => self.sequence("[", "]", Self::value).map(Tree::Array),
            '{' => self.sequence("{", "}", Self::member).map(Tree::Object),
            _ => self.number().map(Tree::Number),
        }
    }

    fn member(&mut self) -> Option<(String, Tree)> {
        self.space();
        let name = self.string()?;
        self.space();
        self.take(":")?;
        Some((name, self.value()?))
    }

    fn sequence<T>(&mut self, open: &str, close: &str, one: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.take(open)?;
        let mut all = Vec::new();
        self.space();
        if self.take(close).is_some() {
            return Some(all);
        }
        loop {
            all.push(one(self)?);
            self.space();
            if self.take(close).is_some() {
                return Some(all);
            }
            self.take(",")?;
        }
    }

    fn number(&mut self) -> Option<String> {
        let digit = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let bytes = self.rest;
        let mut at = usize::from(bytes.starts_with('-'));
        let whole = digit(&bytes[at..]);
        if whole == 0 || (whole > 1 && bytes[at..].starts_with('0')) {
            return None;
        }
        at += whole;
        if bytes[at..].starts_with('.') {
            let fraction = digit(&bytes[at + 1..]);
            if fraction == 0 {
                return None;
            }
            at += 1 + fraction;
        }
        if bytes[at..].starts_with(['e', 'E']) {
            at += 1 + usize::from(bytes[at + 1..].starts_with(['+', '-']));
            let exponent = digit(&bytes[at..]);
            if exponent == 0 {
                return None;
            }
            at += exponent;
        }
        let (number, rest) = bytes.split_at(at);
        self.rest = rest;
        Some(number.into())
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '"' => return Some(String::from_utf16_lossy(&units)),
                '\\' => units.push(self.escape()?),
                c if c < ' ' => return None,
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(match c {
            '"' | '\\' | '/' => c as u16,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits = self.rest.get(..4)?;
                self.rest = &self.rest[4..];
                if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return None;
                }
                u16::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_numbers_and_lone_surrogates_are_kept() {
        let tree = read(br#" {"a":1.50e3,"a":["\ud800x","\ud83d\ude00"],"b":{"c":null}} "#).unwrap();
        assert!(tree.has_duplicates());
        assert_eq!((tree.depth(), tree.count()), (2, 7));
        let texts = Tree::Array(vec![Tree::Text("\u{fffd}x".into()), Tree::Text("😀".into())]);
        assert_eq!(tree.get("a"), Some(&texts));
        assert_eq!(tree.members()[0].1, Tree::Number("1.50e3".into()));
        for bad in
            ["", "{", "[1,]", "01", "+1", "1.", "1e", "{\"a\" 1}", "[] x", "'a'", "\"\\x\"", "tru", "\"\n\""]
        {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }
}
