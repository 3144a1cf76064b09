//! Which address is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::error::Result;
use crate::server::answer::{Answer, Kind, rule};
use crate::server::hosts::Hosts;
use crate::server::pages::{capture, captures, figures, ledger, live, messages, verification};
use crate::server::query::Query;
use crate::server::site::{Allowance, Site, fixed};
use crate::server::{health, metrics};
use crate::store::{Database, Session};

/// How requests find the site.
type Shared = State<Arc<Site>>;

/// All of them. Whatever is answered, the rules come with it.
pub fn router(site: Arc<Site>, hosts: Hosts) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/captures/{session}", get(|site, name, uri| of_session(site, name, uri, capture::show)))
        .route("/captures/{session}/messages", get(|site, name, uri| of_session(site, name, uri, messages::show)))
        .route("/captures/{session}/figures", get(|site, name, uri| of_session(site, name, uri, figures::show)))
        .route("/captures/{session}/ledger", get(|site, name, uri| of_session(site, name, uri, ledger::show)))
        .route("/captures/{session}/verify", get(|site, name, uri| of_session(site, name, uri, verification::show)))
        .route("/captures/{session}/verify/start", get(start))
        .route("/live", get(now))
        .route("/live/events", get(events))
        .route("/metrics", get(numbers))
        .route("/healthz", get(is_well))
        .route("/static/{name}", get(text))
        .fallback(nothing)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::new(hosts), check))
        .layer(from_fn(with_rules))
        .with_state(site)
}

async fn with_rules(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    rule(response.headers_mut());
    response
}

/// Refuse what is not asked of us, or is no question.
async fn check(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => "",
    };
    let is_ours = |host: &str| hosts.contains(host);
    if !is_ours(host) || request.uri().authority().is_some_and(|authority| !is_ours(authority.as_str())) {
        let text = "this server is not called that; ask for it by its address, or as localhost\n";
        return Answer::text(StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    match *request.method() {
        Method::GET | Method::HEAD => next.run(request).await,
        _ => other_method().await.into_response(),
    }
}

async fn other_method() -> Response {
    let text = "only GET and HEAD: nothing is changed here\n";
    let mut response = Answer::text(StatusCode::METHOD_NOT_ALLOWED, text).into_response();
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    response
}

async fn nothing() -> Answer {
    Answer::text(StatusCode::NOT_FOUND, "there is no such page; / has the captures\n")
}

async fn text(Path(name): Path<String>) -> Response {
    match fixed(&name) {
        Some(answer) => answer.into_response(),
        None => nothing().await.into_response(),
    }
}

async fn list(State(site): Shared, uri: Uri) -> Response {
    let query = Query::of(uri.query().unwrap_or_default());
    let page = site.read(move |site, database, _| captures::show(site, database, &query?).map(Answer::page)).await;
    site.send_page(page).await
}

/// A page about a capture: its id, its label, or `latest`, as on the command line.
async fn of_session(
    State(site): Shared,
    Path(name): Path<String>,
    uri: Uri,
    show: fn(&Site, &About<'_>, Allowance) -> Result<crate::escape::html::Html>,
) -> Response {
    let query = Query::of(uri.query().unwrap_or_default());
    let page = site
        .read(move |site, database, allowance| {
            let session = database.find_session(&name)?;
            let about = About { database, session: &session, name: &name, query: &query? };
            show(site, &about, allowance).map(Answer::page)
        })
        .await;
    site.send_page(page).await
}

/// What a page about a capture is made of.
pub struct About<'a> {
    pub database: &'a Database,
    pub session: &'a Session,
    /// What it was asked for as.
    pub name: &'a str,
    pub query: &'a Query,
}

/// Begin to verify a capture, unless a page of somebody else asks for it.
async fn start(State(site): Shared, Path(name): Path<String>, request: Request) -> Response {
    let from = request.headers().get("sec-fetch-site").map(|from| from.as_bytes());
    if from.is_some_and(|from| !matches!(from, b"same-origin" | b"none")) || request.method() == Method::HEAD {
        let text = "only the page of a capture starts its verification\n";
        return Answer::text(StatusCode::FORBIDDEN, text).into_response();
    }
    let begun = site
        .read(move |site, database, _| {
            let session = database.find_session(&name)?;
            site.checks.begin(&site.database, session)?;
            Ok(verification::address(&name))
        })
        .await;
    match begun {
        Ok(address) => Redirect::to(&address).into_response(),
        Err(error) => site.send_page(Err(error)).await,
    }
}

async fn now(State(site): Shared) -> Response {
    let page = site.run(|site, allowance| Ok(Answer::page(live::show(site, allowance)))).await;
    site.send_page(page).await
}

async fn events(State(site): Shared, method: Method) -> Response {
    site.events.watch(&method)
}

async fn numbers(State(site): Shared) -> Response {
    let text = site.run(|site, _| Ok(metrics::text(&site.database))).await;
    match text {
        Ok(text) => site.send(Answer { status: StatusCode::OK, kind: Kind::Metrics, text: text.into() }).await,
        Err(error) => Answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn is_well(State(site): Shared, uri: Uri) -> Response {
    let within =
        Query::of(uri.query().unwrap_or_default()).and_then(|query| query.duration_ns("within", health::WITHIN_NS));
    let within_ns = match within {
        Ok(within_ns) => within_ns,
        Err(error) => return Answer::text(StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let ills = site.run(move |site, _| Ok(health::ills(&site.database, within_ns))).await;
    match ills {
        Ok(ills) if ills.is_empty() => Answer::text(StatusCode::OK, "ok\n").into_response(),
        Ok(ills) => Answer::text(StatusCode::SERVICE_UNAVAILABLE, ills.join("\n") + "\n").into_response(),
        Err(error) => Answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
