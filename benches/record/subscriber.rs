//! The socket of the contenders that are written here.

use zmq::{Context, Error, Message, SUB, Socket};

/// Receives the device's messages, one at a time, in the way that a simple program does.
pub struct Subscriber {
    socket: Socket,
    frame: Message,
}

impl Subscriber {
    /// Subscribe with the options of the recorder's own socket (`src/socket/link.rs`), so that libzmq does the same work
    /// for both. It connects in the background.
    pub fn connect(endpoint: &str) -> Self {
        let socket = Context::new().socket(SUB).unwrap();
        socket.set_linger(0).unwrap();
        socket.set_maxmsgsize(1 << 20).unwrap();
        socket.set_rcvhwm(100_000).unwrap();
        socket.set_reconnect_ivl(10).unwrap();
        socket.set_reconnect_ivl_max(1_000).unwrap();
        socket.set_handshake_ivl(2_000).unwrap();
        socket.set_heartbeat_ivl(2_000).unwrap();
        socket.set_heartbeat_timeout(5_000).unwrap();
        socket.set_subscribe(b"fancyhw_data").unwrap();
        socket.connect(endpoint).unwrap();
        Self { socket, frame: Message::new() }
    }

    /// From now on [`Subscriber::receive`] ends after so many milliseconds without a message.
    pub fn set_timeout_ms(&self, timeout_ms: i32) {
        self.socket.set_rcvtimeo(timeout_ms).unwrap();
    }

    /// Wait for the next message: what stands behind its topic, in one frame or in two. `None` when there was none in time,
    /// or when a signal came.
    pub fn receive(&mut self) -> Option<&[u8]> {
        match self.socket.recv(&mut self.frame, 0) {
            Ok(()) if self.frame.get_more() => {
                self.socket.recv(&mut self.frame, 0).unwrap();
                Some(&self.frame)
            }
            Ok(()) => {
                let topic_end = self.frame.iter().position(|&byte| byte == b' ').unwrap();
                Some(&self.frame[topic_end + 1..])
            }
            Err(Error::EAGAIN | Error::EINTR) => None,
            Err(cause) => panic!("cannot receive: {cause}"),
        }
    }
}
