use svidgate_policy::Headers;

/// Reads proxy-wasm's serialized map: the number of pairs, the lengths of each name and value (all 32 bit little
/// endian), then the names and values, each followed by a zero byte. `None` when the buffer is not of that form.
///
/// The proxy-wasm SDK's own reader panics on names that are not UTF-8 and copies each name and value; this one does
/// neither, and one host call shows what single look-ups hide: repeated headers.
#[must_use]
pub fn parse(buffer: &[u8]) -> Option<Headers<'_>> {
    if buffer.is_empty() {
        return Some(Headers::new(Vec::new()));
    }
    let (count, rest) = length(buffer)?;
    let sizes_len = count.checked_mul(8)?;
    let (sizes, mut data) = rest.split_at_checked(sizes_len)?;
    let mut pairs = Vec::with_capacity(count);
    for size in sizes.chunks_exact(8) {
        let (name_len, value_len) = length(size)?;
        let (value_len, _) = length(value_len)?;
        let name;
        let value;
        (name, data) = terminated(data, name_len)?;
        (value, data) = terminated(data, value_len)?;
        pairs.push((name, value));
    }
    data.is_empty().then(|| Headers::new(pairs))
}

fn length(buffer: &[u8]) -> Option<(usize, &[u8])> {
    let (bytes, rest) = buffer.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*bytes)).ok()?, rest))
}

fn terminated(data: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (bytes, rest) = data.split_at_checked(len)?;
    let (zero, rest) = rest.split_first()?;
    (*zero == 0).then_some((bytes, rest))
}

#[cfg(test)]
mod tests {
    use super::parse;

    pub(super) fn serialize(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut buffer = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
        for (name, value) in pairs {
            for part in [name, value] {
                buffer.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
            }
        }
        for (name, value) in pairs {
            for part in [name, value] {
                buffer.extend_from_slice(part);
                buffer.push(0);
            }
        }
        buffer
    }

    #[test]
    fn v18_every_value_of_a_repeated_header_is_seen() {
        let buffer = serialize(&[(b"a", b"1"), (b"b", b""), (b"a", b"2"), (b"\xff", b"\x00\xfe")]);
        let headers = parse(&buffer).unwrap();
        assert_eq!(headers.values("a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(headers.values("b").collect::<Vec<_>>(), [b""]);
        assert_eq!(headers.names().collect::<Vec<_>>(), [&b"a"[..], b"b", b"a", b"\xff"]);
    }

    #[test]
    fn a_buffer_of_another_form_is_refused_not_half_read() {
        let buffer = serialize(&[(b"name", b"value")]);
        for end in 1..buffer.len() {
            assert!(parse(&buffer[..end]).is_none(), "{end}");
        }
        assert!(parse(&[buffer.as_slice(), b"x"].concat()).is_none());
        assert!(parse(&[0xff; 64]).is_none());
        let mut unterminated = buffer.clone();
        *unterminated.last_mut().unwrap() = b'x';
        assert!(parse(&unterminated).is_none());
        assert!(parse(b"").unwrap().names().next().is_none());
    }
}
