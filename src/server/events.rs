//! The live page again and again, to browsers that wait for it (server-sent events). It is made once a second for all of them,
//! and not at all while there are none.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::server::answer::Answer;
use crate::server::pages::live;
use crate::server::site::Site;

/// Browsers that watch at a time.
const WATCHERS_MAX: usize = 32;

/// How often the page is made.
const EVERY: Duration = Duration::from_secs(1);

/// Who watches the recorder.
#[derive(Debug)]
pub struct Events {
    newest: watch::Sender<Bytes>,
    places: Arc<Semaphore>,
    ended: watch::Receiver<bool>,
}

impl Events {
    /// Nobody yet. `ended` says when everything ends.
    pub fn new(ended: watch::Receiver<bool>) -> Self {
        let newest = watch::Sender::new(Bytes::new());
        Self { newest, places: Arc::new(Semaphore::new(WATCHERS_MAX)), ended }
    }

    /// A response that goes on until the client or this program ends it.
    pub fn watch(&self, method: &Method) -> Response {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let text = format!("{WATCHERS_MAX} browsers watch already; the page without script is still there\n");
            return Answer::text(StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        };
        let body = match *method {
            Method::HEAD => Body::empty(),
            _ => {
                // One that waits to be sent, and no more: who is slow misses some.
                let (sender, receiver) = mpsc::channel(1);
                tokio::spawn(pass_on(self.newest.subscribe(), self.ended.clone(), sender, place));
                Body::new(Stream { receiver })
            }
        };
        ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
    }
}

/// Hand each new page on until the client is gone or everything ends.
async fn pass_on(
    mut newest: watch::Receiver<Bytes>,
    mut ended: watch::Receiver<bool>,
    sender: mpsc::Sender<Bytes>,
    place: OwnedSemaphorePermit,
) {
    let work = async {
        loop {
            let page = newest.borrow_and_update().clone();
            if !page.is_empty() && sender.send(page).await.is_err() || newest.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = sender.closed() => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
    drop(place);
}

/// Make the page for those who watch, for ever.
pub async fn produce(site: Arc<Site>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if site.events.newest.receiver_count() == 0 {
            continue;
        }
        let page = site.run(|site, allowance| Ok(live::part(site, allowance))).await;
        let Ok(page) = page.map(crate::escape::html::Html::into_string) else { continue };
        let mut event = String::with_capacity(page.len() + 64);
        for line in page.lines() {
            event.push_str("data: ");
            event.push_str(line);
            event.push('\n');
        }
        event.push('\n');
        site.events.newest.send_replace(event.into());
    }
}

/// A body that has what comes through a channel.
struct Stream {
    receiver: mpsc::Receiver<Bytes>,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = ready!(self.receiver.poll_recv(context));
        Poll::Ready(event.map(|event| Ok(Frame::data(event))))
    }
}
