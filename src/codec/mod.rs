//! What messages mean: pure functions, bytes in, values out.

pub mod envelope;
