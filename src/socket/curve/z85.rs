//! Keys as text that people can copy: Z85, see <https://rfc.zeromq.org/spec/32/>.

use zeroize::Zeroizing;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// Characters of a key: five for four bytes.
pub(super) const KEY_CHARACTERS: usize = KEY_BYTES / 4 * 5;

const ALPHABET: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// A key as text.
pub(super) fn encode(key: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(KEY_CHARACTERS));
    for piece in key.as_chunks::<4>().0 {
        let number = u32::from_be_bytes(*piece);
        for power in (0..5).rev() {
            let digit = number / 85_u32.pow(power) % 85;
            text.push(ALPHABET.get(digit as usize).copied().map_or('0', char::from));
        }
    }
    text
}

/// The key that a text is, if it is one.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let (pieces, rest) = text.as_chunks::<5>();
    if text.len() != KEY_CHARACTERS || !rest.is_empty() {
        return None;
    }
    for (bytes, piece) in key.as_chunks_mut::<4>().0.iter_mut().zip(pieces) {
        let digits = piece.iter().map(|&byte| ALPHABET.iter().position(|&digit| digit == byte));
        let number = digits.into_iter().try_fold(0_u64, |number, digit| Some(number * 85 + digit? as u64))?;
        *bytes = u32::try_from(number).ok()?.to_be_bytes();
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_text_and_back() {
        for seed in 0..=255_u8 {
            let key = std::array::from_fn(|index| seed.wrapping_mul(31).wrapping_add(index as u8 * 7));
            let text = encode(&key);
            assert_eq!(*text, zmq::z85_encode(&key).unwrap());
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(&key));
        }
    }

    #[test]
    fn other_text_is_no_key() {
        let whole = encode(&[7; KEY_BYTES]);
        for wrong in ["", &whole[1..], &format!("{}0", *whole), &whole.replace(&whole[..1], " "), &"#".repeat(40)] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
