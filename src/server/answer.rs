//! What is answered: a status, a text, and what it may do in a browser.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::error::Error;
use crate::escape::html::Html;

/// A client takes an answer within this time.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// What is handed over to be sent at once. The rest waits here, where it is counted.
const PIECE_BYTES: usize = 16 << 10;

/// What every answer says beside its content: a browser runs only our script, asks nobody else, keeps nothing, and shows it in
/// nobody's frame.
const RULES: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Say them.
pub fn rule(headers: &mut HeaderMap) {
    for (name, value) in RULES {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A type of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Html,
    Text,
    Metrics,
    Style,
    Script,
    Icon,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
            Self::Icon => "image/svg+xml",
        }
    }
}

/// A text and what it is.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub kind: Kind,
    pub text: Bytes,
}

impl Answer {
    /// A page.
    pub fn page(html: Html) -> Self {
        Self { status: StatusCode::OK, kind: Kind::Html, text: html.into_string().into() }
    }

    /// Lines of text.
    pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self { status, kind: Kind::Text, text: text.into() }
    }

    /// The response, which counts as long as it is not sent.
    pub fn counted(self, permit: OwnedSemaphorePermit) -> Response {
        let body = Counted { rest: self.text, until: Instant::now() + TAKEN_WITHIN, permit };
        (self.status, [(header::CONTENT_TYPE, self.kind.name())], Body::new(body)).into_response()
    }
}

/// For what is small, and the same for all.
impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, self.kind.name())], self.text).into_response()
    }
}

/// What a failed run would have said, and how it is said over HTTP.
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::CommandLine(_) | Error::Setting { .. } => StatusCode::BAD_REQUEST,
        Error::NoSuchSession { .. } => StatusCode::NOT_FOUND,
        Error::OpenDatabase { .. } | Error::NotPermitted { .. } | Error::Stopped { .. } | Error::System { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A body that is handed over in pieces, and holds its share of all that waits to be sent until the last one.
struct Counted {
    rest: Bytes,
    until: Instant,
    #[expect(dead_code, reason = "held, not used")]
    permit: OwnedSemaphorePermit,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = TooSlow;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, TooSlow>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() > self.until {
            return Poll::Ready(Some(Err(TooSlow)));
        }
        let piece_bytes = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece_bytes)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// A client that takes an answer too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the client takes the answer too slowly")]
pub struct TooSlow;
