//! What all requests share: the database, and how much of the machine they may take together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::escape::html::Html;
use crate::server::answer::{Answer, Kind, status_of};
use crate::server::checks::Checks;
use crate::server::events::Events;
use crate::server::pages::page;
use crate::store::Database;

/// Requests that read the database at a time.
const READERS_MAX: usize = 4;

/// A request waits this long for others that read, and for clients that take their answers.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What a request may take to read.
const READ_MAX: Duration = Duration::from_secs(5);

/// Answers that are not sent yet take so many bytes at most, all together.
const UNSENT_MAX_BYTES: usize = 64 << 20;

/// An answer is no longer than this: what pages show is bounded piece by piece, and stays far below.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// A page about something that passes is asked for again after this time.
const RETRY_S: u32 = 5;

/// What all requests share.
#[derive(Debug)]
pub struct Site {
    /// Where the database is, if there is one.
    pub database: PathBuf,
    /// What was verified.
    pub checks: Checks,
    /// Who watches the recorder.
    pub events: Events,
    readers: Arc<Semaphore>,
    unsent: Arc<Semaphore>,
}

/// What is left of the time of a request.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    until: Instant,
}

impl Allowance {
    /// Go on, if there is time left. For functions that tell how far they are.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(self) -> Result<()> {
        match Instant::now() < self.until {
            true => Ok(()),
            false => {
                let what = format!(
                    "read more for this page: it has taken {} s, which is as long as it may",
                    READ_MAX.as_secs()
                );
                Err(Error::Stopped { what })
            }
        }
    }
}

impl Site {
    /// Of a database that need not be there. `ended` says when everything ends.
    pub fn new(database: PathBuf, ended: watch::Receiver<bool>) -> Self {
        Self {
            database,
            checks: Checks::default(),
            events: Events::new(ended),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            unsent: Arc::new(Semaphore::new(UNSENT_MAX_BYTES)),
        }
    }

    /// Stop what runs beside requests.
    pub fn end(&self) {
        self.checks.end();
    }

    /// Read the database in a thread where that disturbs nobody.
    ///
    /// # Errors
    /// Those of `work`, and when the database cannot be opened, or too many read it already.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Database, Allowance) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(move |site, allowance| work(site, &Database::for_viewing(&site.database)?, allowance)).await
    }

    /// The same where there need not be a database.
    ///
    /// # Errors
    /// Those of `work`, and when too many read already.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, Allowance) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let busy = || Error::Stopped { what: "read the database: too many pages are asked for at once".to_owned() };
        let reader = timeout(WAIT_MAX, Arc::clone(&self.readers).acquire_owned()).await;
        let reader = reader.ok().and_then(std::result::Result::ok).ok_or_else(busy)?;
        let site = Arc::clone(self);
        let done = spawn_blocking(move || {
            let done = work(&site, Allowance { until: Instant::now() + READ_MAX });
            drop(reader);
            done
        });
        let failed = |cause| Error::System { operation: "read for a page", cause: std::io::Error::other(cause) };
        done.await.map_err(failed)?
    }

    /// Send an answer, as soon as others have taken theirs.
    pub async fn send(&self, answer: Answer) -> Response {
        let bytes = answer.text.len().clamp(1, ANSWER_MAX_BYTES);
        let answer = match answer.text.len() > ANSWER_MAX_BYTES {
            true => Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "this page is too long to be shown\n"),
            false => answer,
        };
        let share = u32::try_from(bytes).unwrap_or(u32::MAX);
        match timeout(WAIT_MAX, Arc::clone(&self.unsent).acquire_many_owned(share)).await {
            Ok(Ok(permit)) => answer.counted(permit),
            _ => {
                let text = "too many clients are slow to take their answers; try again later\n";
                Answer::text(StatusCode::SERVICE_UNAVAILABLE, text).into_response()
            }
        }
    }

    /// Send a page, or one that says why there is none.
    pub async fn send_page(&self, page: Result<Answer>) -> Response {
        match page {
            Ok(answer) => self.send(answer).await,
            Err(error) => {
                let status = status_of(&error);
                let mut response = self.send(Answer { status, ..Answer::page(self.failure(&error)) }).await;
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    response.headers_mut().insert(header::RETRY_AFTER, RETRY_S.into());
                }
                response
            }
        }
    }

    /// The page that says what is wrong. What may pass is looked at again by itself.
    fn failure(&self, error: &Error) -> Html {
        let passes = status_of(error) == StatusCode::SERVICE_UNAVAILABLE;
        let title = match status_of(error) {
            StatusCode::BAD_REQUEST => "That cannot be shown",
            StatusCode::NOT_FOUND => "No such capture",
            StatusCode::SERVICE_UNAVAILABLE => "Not available now",
            _ => "This cannot be read",
        };
        page(title, None, passes.then_some(RETRY_S), |html| {
            html.leaf("p", &[("class", &"bad")], error);
            if passes {
                html.leaf("p", &[], format!("This page looks again every {RETRY_S} seconds."));
            }
        })
    }
}

/// The texts that never change.
pub fn fixed(name: &str) -> Option<Answer> {
    let (kind, text) = match name {
        "style.css" => (Kind::Style, concat!(include_str!("static/style.css"), include_str!("../picture/picture.css"))),
        "script.js" => (Kind::Script, include_str!("static/script.js")),
        "icon.svg" => (Kind::Icon, include_str!("static/icon.svg")),
        _ => return None,
    };
    Some(Answer { status: StatusCode::OK, kind, text: text.as_bytes().into() })
}
