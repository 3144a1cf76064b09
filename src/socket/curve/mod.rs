//! Encryption and admission: certificates, who is admitted, and the options of libzmq that make it so.
//!
//! CURVE is that of <https://rfc.zeromq.org/spec/25/>, admission that of ZAP, <https://rfc.zeromq.org/spec/27/>.

mod admission;
mod certificate;
mod key;
mod keys;
mod z85;
mod zap;

pub use admission::{Admission, Admitted};
pub use certificate::{Certificate, Half, create, load, show};
pub use key::{KeyPair, PublicKey, SecretKey};
pub use keys::{KeyFiles, Keys, Security};
pub(super) use zap::{Doorkeeper, of_user_id};
pub use zap::{Request, Visitor};
