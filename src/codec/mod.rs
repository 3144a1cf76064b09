//! What messages mean: pure functions, bytes in, values out.

pub mod channels;
pub mod condition;
pub mod counter;
pub mod framing;
pub mod layout;
pub mod likely;
pub mod npy;
pub mod number;
pub mod overview;
pub mod reading;
pub mod sequence;
pub mod stream;
pub mod topic;
pub mod words;
