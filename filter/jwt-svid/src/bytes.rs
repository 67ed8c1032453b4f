//! Work on bytes that every request pays for, in a form that is fast as Wasm too, where `memcmp` goes byte by byte.

/// A set of bytes, looked up in a table.
#[derive(Debug)]
pub struct ByteSet([bool; 256]);

impl ByteSet {
    /// ASCII letters, digits, and `others`.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "a constant: what goes wrong here does not compile"
    )]
    pub const fn alphanumerics_and(others: &[u8]) -> Self {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < table.len() {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            table[others[at] as usize] = true;
            at += 1;
        }
        Self(table)
    }

    /// Whether it has this byte.
    #[must_use]
    pub fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// Whether it has all of them. Every byte is looked at, whatever the first of them are.
    #[must_use]
    pub fn has_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().fold(true, |all, byte| all & self.has(*byte))
    }
}

/// The segments of a path: each stands behind a `/`. An empty path has none.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'p> {
    rest: &'p str,
}

impl<'p> Segments<'p> {
    /// Those of a path that begins with `/` or is empty; of any other, none.
    #[must_use]
    pub fn of(path: &'p str) -> Self {
        Self { rest: path }
    }
}

impl<'p> Iterator for Segments<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        let rest = self.rest.strip_prefix('/')?;
        let end = rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len());
        let (segment, rest) = rest.split_at_checked(end)?;
        self.rest = rest;
        Some(segment)
    }
}

/// Whether both are the same, eight bytes at a time.
pub(crate) fn are_same(one: &[u8], other: &[u8]) -> bool {
    let ((words, rest), (other_words, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    one.len() == other.len()
        && words
            .iter()
            .zip(other_words)
            .all(|(one, other)| u64::from_le_bytes(*one) == u64::from_le_bytes(*other))
        && rest == other_rest
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::{ByteSet, Segments, are_same};

    #[test]
    fn p05_segments_are_what_stands_behind_each_slash() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("/", &[""]),
            ("/a/b", &["a", "b"]),
            ("/a/", &["a", ""]),
            ("//a", &["", "a"]),
            ("a/b", &[]),
        ];
        for (path, expected) in cases {
            assert_eq!(Segments::of(path).collect::<vec::Vec<_>>(), expected, "{path}");
        }
    }

    #[test]
    fn a_set_has_alphanumerics_and_what_it_is_given() {
        const SET: ByteSet = ByteSet::alphanumerics_and(b"-_");
        for byte in 0..=255_u8 {
            assert_eq!(SET.has(byte), byte.is_ascii_alphanumeric() || b"-_".contains(&byte), "{byte}");
        }
        assert!(
            SET.has_all(b"") && SET.has_all(b"az-09_AZ") && !SET.has_all(b"az.") && !SET.has_all(b"\xffaz")
        );
    }

    #[test]
    fn v15_bytes_are_the_same_only_when_length_and_every_byte_are() {
        for len in 0..40_usize {
            let one = vec![7_u8; len];
            assert!(are_same(&one, &one.clone()), "{len}");
            assert!(!are_same(&one, &vec![7_u8; len.saturating_add(1)]), "{len}");
            for at in 0..len {
                let mut other = one.clone();
                other[at] = 8;
                assert!(!are_same(&one, &other) && !are_same(&other, &one), "{len} {at}");
            }
        }
    }
}
