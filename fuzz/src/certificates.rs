//! Certificates: any text, and those of a key that is made of its first bytes.

use fancyhwd::socket::curve::{Certificate, PublicKey, SecretKey};

use super::z85;

/// See the rules.
pub fn run(data: &[u8]) {
    if let Ok(certificate) = Certificate::parse(data) {
        reads_again(&certificate);
    }
    let Some((key, words)) = data.split_first_chunk::<32>() else { return };
    let text = z85(key);
    let public = PublicKey::parse(text.as_bytes()).expect("a key in Z85");
    assert_eq!((public.bytes(), public.to_string()), (key, text.clone()));
    let secret = SecretKey::parse(text.as_bytes()).expect("a key in Z85");
    let of_secret = secret.public().expect("each secret key has a public one");
    assert!(!format!("{secret:?}").contains(&text), "a secret key is not shown");
    // Words that are no line of a key change nothing.
    let words = words.escape_ascii().to_string().replace("-key", "");
    let written = |public: PublicKey| {
        format!(
            "# {words}\n\nmetadata\n    name = \"{words}\"\ncurve\n    public-key = \"{public}\"\n    secret-key = \"{text}\"\n"
        )
    };
    let read = Certificate::parse(written(of_secret).as_bytes()).expect("a certificate");
    assert_eq!((read.public, read.secret.as_ref().and_then(SecretKey::public)), (of_secret, Some(of_secret)));
    reads_again(&read);
    assert_eq!(Certificate::parse(written(public).as_bytes()).is_ok(), public == of_secret, "they belong together");
}

/// What a certificate holds reads as it is written.
fn reads_again(certificate: &Certificate) {
    let public = certificate.public;
    assert_eq!(PublicKey::parse(public.to_string().as_bytes()), Some(public));
    assert_eq!(PublicKey::of(public.bytes()), Some(public));
    let text = format!("curve\n    public-key = \"{public}\"\n");
    let again = Certificate::parse(text.as_bytes()).expect("a certificate");
    assert!(again.public == public && again.secret.is_none());
    if let Some(secret) = &certificate.secret {
        assert_eq!(secret.public(), Some(public), "they belong together");
    }
}
