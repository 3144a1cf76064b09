//! Requests to admit a peer, as ZAP has them: any frames, and those of a request with some of them changed.

use arbitrary::{Arbitrary, Unstructured};
use fancyhwd::socket::curve::{PublicKey, Request};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Any(Vec<&'a [u8]>),
    Changed { key: [u8; 32], changes: Vec<(u8, &'a [u8])>, length: Option<u8> },
}

/// See the rules.
pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let frames: Vec<Vec<u8>> = match &input {
        Input::Any(frames) => frames.iter().map(|frame| frame.to_vec()).collect(),
        Input::Changed { key, changes, length } => {
            let whole: [&[u8]; 7] = [b"1.0", b"1", b"3", b"127.0.0.1", b"", b"CURVE", key];
            let mut frames: Vec<Vec<u8>> = whole.iter().map(|frame| frame.to_vec()).collect();
            for (place, frame) in changes {
                frames[usize::from(*place) % 7] = frame.to_vec();
            }
            frames.truncate(length.map_or(7, usize::from));
            frames
        }
    };
    match Request::parse(&frames) {
        Ok(request) => {
            assert!(frames.len() >= 6 && frames[0] == b"1.0" && frames.iter().all(|frame| frame.len() <= 255));
            let shown = format!("{request:?}");
            assert!(!shown.contains(char::is_control), "{shown}");
            let is_curve = frames.len() == 7 && frames[5] == b"CURVE" && frames[6].len() == 32;
            let key = PublicKey::of(frames.get(6).map_or(&[], Vec::as_slice)).filter(|_| is_curve);
            assert!(shown.ends_with(&format!("key: {key:?} }}")), "{shown}");
        }
        Err(why) => assert!(!why.is_empty()),
    }
}
