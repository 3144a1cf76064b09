//! What is known of a capture, in words, for the command line and for web pages.

pub mod card;
pub mod figures;
pub mod ledger;
pub mod running;
pub mod text;
