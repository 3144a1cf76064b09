//! Web pages, metrics and a health check over a database: the only place that knows axum and tokio.
//!
//! Nothing here writes. Each request opens the database anew, so one that is deleted, replaced, or made later is seen as it is,
//! and whatever is wrong with it is an answer.

mod answer;
mod checks;
mod events;
mod gate;
mod health;
mod hosts;
mod metrics;
mod pages;
mod patience;
mod query;
mod routes;
mod site;

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use crate::error::{Error, Result};
use crate::process::stop::Stop;
use crate::service;
use crate::time::clock::NS_PER_S;

pub use hosts::Hosts;

use site::Site;

/// Threads that talk to clients. Reading databases has others.
const THREADS: usize = 2;

/// Threads that read databases: a few beyond the readers, for those that end late.
const READING_THREADS: usize = 16;

/// What clients get to take the rest of an answer when the program ends.
const END_WITHIN: Duration = Duration::from_millis(500);

/// Serve pages over a database until a stop is asked for. `ready` is called when clients are served.
///
/// # Errors
/// When the operating system has no threads or no events for us.
pub fn serve(database: &Path, listener: TcpListener, hosts: Hosts, stop: &Stop, ready: impl FnOnce()) -> Result<()> {
    let cannot = |operation| move |cause| Error::System { operation, cause };
    listener.set_nonblocking(true).map_err(cannot("serve pages"))?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(READING_THREADS)
        .thread_name("server")
        .enable_all()
        .build()
        .map_err(cannot("start threads for clients"))?;
    let work = async |stopped: oneshot::Receiver<()>| {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(cannot("serve pages"))?;
        let (ending, ended) = watch::channel(false);
        let site = Arc::new(Site::new(database.to_owned(), ended.clone()));
        let gate = gate::Gate::new(routes::router(Arc::clone(&site), hosts), ended);
        tokio::spawn(events::produce(Arc::clone(&site)));
        ready();
        tokio::select! {
            () = gate.accept(&listener) => {}
            stopped = stopped => drop(stopped),
        }
        service::stopping();
        ending.send_replace(true);
        site.end();
        // Whoever is still being served then is cut off.
        let _ = tokio::time::timeout(END_WITHIN, gate.is_empty()).await;
        Ok(())
    };
    let served = thread::scope(|scope| {
        let (stopping, stopped) = oneshot::channel();
        scope.spawn(move || {
            while !stop.wait_ns(NS_PER_S) {
                if stopping.is_closed() {
                    return;
                }
            }
            // Nobody waits for it any more when serving has failed.
            let _ = stopping.send(());
        });
        runtime.block_on(work(stopped))
    });
    // Whoever still reads the database reads it for nobody.
    runtime.shutdown_background();
    served
}
