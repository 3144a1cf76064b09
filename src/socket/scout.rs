//! Looks things up that take their time, each in a thread of its own, so that no device waits for another one: the address of
//! a name, and what is at an endpoint that does not come up.
//!
//! libzmq would resolve names in its only thread, where one name that nobody knows holds all messages up for seconds.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, mpsc};
use std::thread::Builder;

use crate::error::Error;
use crate::socket::bell::Bell;
use crate::socket::peer::Found;
use crate::socket::probe::{self, Ours};

/// What is to be looked up.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// The addresses of `HOST:PORT`.
    Addresses(String),
    /// What is at an address.
    Tcp(SocketAddr, Ours),
    /// What is at a path.
    Ipc(String, Ours),
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The addresses, or the resolver's words.
    Addresses(Result<Vec<SocketAddr>, String>),
    /// What is there.
    Found(Found),
}

/// Asks for others. Each link has at most one question of a kind open, so the threads are bounded.
#[derive(Debug)]
pub(super) struct Scout {
    sender: mpsc::Sender<(usize, Answer)>,
    answers: mpsc::Receiver<(usize, Answer)>,
    /// Readable when there may be an answer.
    bell: Arc<Bell>,
}

impl Scout {
    pub fn new() -> Result<Self, Error> {
        let (sender, answers) = mpsc::channel();
        Ok(Self { sender, answers, bell: Arc::new(Bell::new()?) })
    }

    /// Look something up for a link. Returns whether that has begun: where there is no thread to be had, it is tried again
    /// later.
    pub fn ask(&self, link: usize, question: Question) -> bool {
        let (sender, bell) = (self.sender.clone(), Arc::clone(&self.bell));
        let look = move || {
            // Nobody listens any more at the end of the run.
            let _ = sender.send((link, answer(question)));
            bell.ring();
        };
        Builder::new().name("scout".to_owned()).spawn(look).is_ok()
    }

    /// The next answer, if there is one, and for which link.
    pub fn answer(&self) -> Option<(usize, Answer)> {
        self.bell.silence();
        self.answers.try_recv().ok()
    }
}

impl AsFd for Scout {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

fn answer(question: Question) -> Answer {
    match question {
        Question::Addresses(name) => {
            let addresses = name.to_socket_addrs().map(Iterator::collect::<Vec<_>>).map_err(|cause| cause.to_string());
            Answer::Addresses(addresses)
        }
        Question::Tcp(address, ours) => Answer::Found(probe::tcp(address, ours)),
        Question::Ipc(path, ours) => Answer::Found(probe::ipc(&path, ours)),
    }
}
