//! Text of others made fit for a terminal: it can neither move the cursor nor turn the line around.

use std::fmt::Write as _;

/// The text in quotes, with what acts on terminals or readers escaped, and cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for (count, c) in text.chars().enumerate() {
        if count == MAX_CHARS {
            let left = text.chars().count().saturating_sub(count);
            return format!("{out}\"… and {left} more characters");
        }
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if acts(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The text as it is, with what acts on terminals or readers escaped. Twice does no more than once.
pub(crate) fn escaped(text: &str) -> String {
    escape(text, acts)
}

/// Text of several lines of our own, in which something of others may stand.
pub(crate) fn lines(text: &str) -> String {
    escape(text, |c| acts(c) && c != '\n')
}

/// Several of them, at most twenty.
pub(crate) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.into_iter().collect();
    let shown: Vec<String> = texts.iter().take(MAX_ENTRIES).map(|text| quoted(text)).collect();
    match texts.len().saturating_sub(shown.len()) {
        0 if shown.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        left => format!("{} and {left} more", shown.join(", ")),
    }
}

/// JSON text in which such characters are escaped. They stand in strings only, so the value stays the same.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        if acts(c) && c != '\n' {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn escape(text: &str, acts: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls (C0, DEL, C1), and the format characters that hide or reorder text.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A SPIFFE ID may have 2048; nobody reads more than this.
const MAX_CHARS: usize = 300;
const MAX_ENTRIES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v16_what_acts_on_a_terminal_or_turns_text_around_is_escaped() {
        let text = "a\u{1b}[2J\u{9b}1m\u{202e}b\u{2066}\nc\\";
        assert_eq!(escaped(text), "a\\u{1b}[2J\\u{9b}1m\\u{202e}b\\u{2066}\\u{a}c\\");
        assert_eq!(escaped(&escaped(text)), escaped(text));
        assert_eq!(lines("a\n\u{1b}b"), "a\n\\u{1b}b");
    }
}
