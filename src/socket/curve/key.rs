//! Keys, of which the secret ones are forgotten as soon as they are used no more.

use std::fmt;

use zeroize::Zeroizing;
use zmq::CurveKeyPair;

use crate::error::Result;
use crate::socket::curve::z85::{self, KEY_BYTES};
use crate::socket::{raw, socket_error};

/// A public key. Its text is Z85.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// The key of these bytes, if they are as many as a key has.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The key that a text in Z85 is.
    pub fn parse(text: &[u8]) -> Option<Self> {
        z85::decode(text).map(|key| Self(*key))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&z85::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A secret key, which is shown nowhere.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; KEY_BYTES]>);

impl SecretKey {
    /// The key that a text in Z85 is.
    pub fn parse(text: &[u8]) -> Option<Self> {
        z85::decode(text).map(Self)
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Its text, for a certificate.
    pub(super) fn text(&self) -> Zeroizing<String> {
        z85::encode(&self.0)
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> Option<PublicKey> {
        PublicKey::parse(raw::curve_public(&self.text())?.as_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret key")
    }
}

/// Both halves.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// Given to others.
    pub public: PublicKey,
    /// Given to nobody.
    pub secret: SecretKey,
}

impl KeyPair {
    /// A new pair.
    ///
    /// # Errors
    /// When this libzmq has no CURVE.
    pub fn generate() -> Result<Self> {
        let pair = CurveKeyPair::new().map_err(|cause| socket_error("make a key (CURVE)", cause))?;
        let secret = SecretKey(Zeroizing::new(pair.secret_key));
        Ok(Self { public: PublicKey(pair.public_key), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_of_a_pair_belong_together_and_the_secret_one_is_not_shown() {
        let (one, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        assert_eq!(one.secret.public(), Some(one.public));
        assert_ne!(one.public, other.public);
        let shown = format!("{one:?}");
        assert!(shown.contains(&one.public.to_string()) && !shown.contains(&*one.secret.text()));
        assert_eq!(SecretKey::parse(one.secret.text().as_bytes()).unwrap().public(), Some(one.public));
    }
}
