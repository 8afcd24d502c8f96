//! Names that we make ourselves. All of them are derived from what they name, never drawn: a second
//! run makes the same name, and a unique key then makes it a no-op.

use sha2::{Digest as _, Sha256};

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The first `length` characters (at most 51) of the base-32 SHA-256 over the parts, which are kept
/// apart by a zero byte.
pub fn short_hash(parts: &[&str], length: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    base32(&hash.finalize(), length)
}

fn base32(bytes: &[u8], length: usize) -> String {
    let mut out = String::with_capacity(length);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 && out.len() < length {
            bits -= 5;
            out.push(char::from(ALPHABET[(buffer >> bits & 31) as usize]));
        }
        if out.len() == length {
            break;
        }
    }
    out
}

/// The idempotency key of an effect: the same event, rule and part always have the same key.
pub fn effect_key(event: &hutong_model::EventId, rule: &str, part: &str, index: usize) -> String {
    short_hash(&[&event.hex(), rule, part, &index.to_string()], 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(short_hash(&["ab", "c"], 20), short_hash(&["a", "bc"], 20));
        assert_eq!(short_hash(&["x"], 32).len(), 32);
        assert!(
            short_hash(&["x"], 32)
                .bytes()
                .all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b))
        );
    }
}
