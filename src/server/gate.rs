//! The connections: how many there are, and how long each may take.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::server::patience::Patient;

/// Connections at a time. More wait where the kernel keeps them, until one of these is closed.
const CONNECTIONS_MAX: u32 = 256;

/// The head of a request comes within this time, also that of the next one over the same connection.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// The head of a request is no longer than this, and what waits to be sent is little more.
const BUFFER_BYTES: usize = 16 << 10;

/// Fields in the head of a request.
const FIELDS_MAX: usize = 64;

/// After a failed accept, such as for want of file descriptors, this long until the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Where connections come in.
#[derive(Debug)]
pub struct Gate {
    router: Router,
    places: Arc<Semaphore>,
    ended: watch::Receiver<bool>,
}

impl Gate {
    /// One that leads to these routes, until `ended` says so.
    pub fn new(router: Router, ended: watch::Receiver<bool>) -> Self {
        Self { router, places: Arc::new(Semaphore::new(CONNECTIONS_MAX as usize)), ended }
    }

    /// Take connections for ever.
    pub async fn accept(&self, listener: &TcpListener) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, self.router.clone(), self.ended.clone(), place))),
                Err(cause) => {
                    tracing::debug!("cannot take a connection: {cause}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Wait until nobody is served any more.
    pub async fn is_empty(&self) {
        let _ = self.places.acquire_many(CONNECTIONS_MAX).await;
    }
}

/// Serve one connection until it ends, or everything does.
async fn serve(stream: TcpStream, router: Router, mut ended: watch::Receiver<bool>, place: OwnedSemaphorePermit) {
    // Answers are written whole: waiting for more of them to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER_BYTES)
        .max_headers(FIELDS_MAX);
    let connection = protocol.serve_connection(TokioIo::new(Patient::new(stream)), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = async { drop(ended.wait_for(|ended| *ended).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(cause) = served {
        tracing::trace!("a connection ended: {cause}");
    }
    drop(place);
}
