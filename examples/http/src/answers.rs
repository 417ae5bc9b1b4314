//! What is answered: a greeting, the digest of what was sent, bytes to be had.

use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_LENGTH, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::blocks::Blocks;

/// A short text, or a stream.
type Answer = Response<Either<Full<Bytes>, Blocks>>;

/// Fails only where the request could not be read to its end.
pub(crate) async fn answer(
    request: Request<Incoming>,
    runtime: &'static str,
    connection: u64,
    number: u64,
) -> hyper::Result<Answer> {
    let head = request.method() == Method::HEAD;
    let path = request.uri().path();
    let answer = match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/") => text(format!(
            "Hello over a flow on {runtime}: connection {connection}, request {number}\n"
        )),
        (&Method::PUT | &Method::POST, "/digest") => text(digest(request.into_body()).await?),
        (&Method::GET | &Method::HEAD, _) if let Some(len) = wanted(path) => {
            Response::new(Either::Right(Blocks::new(len)))
        }
        (_, "/digest") => refused("PUT, POST"),
        (_, path) if path == "/" || wanted(path).is_some() => refused("GET, HEAD"),
        _ => status(
            StatusCode::NOT_FOUND,
            "there are /, /digest and /bytes/NUMBER\n",
        ),
    };
    Ok(if head { without_body(answer) } else { answer })
}

/// The answer to HEAD. In HTTP/1.1 hyper leaves the body away by itself, in HTTP/2 it does not.
fn without_body(mut answer: Answer) -> Answer {
    if let Some(len) = answer.body().size_hint().exact() {
        answer.headers_mut().insert(CONTENT_LENGTH, len.into());
    }
    answer.map(|_| Either::Left(Full::default()))
}

/// How many bytes are asked for by `/bytes/NUMBER`.
fn wanted(path: &str) -> Option<u64> {
    path.strip_prefix("/bytes/")?.parse().ok()
}

/// As `sha256sum` prints it. Holds one chunk at a time.
async fn digest(mut body: Incoming) -> hyper::Result<String> {
    let mut hash = Sha256::new();
    while let Some(frame) = body.frame().await {
        // What is no data are trailers.
        if let Ok(data) = frame?.into_data() {
            hash.update(&data);
        }
    }
    let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok(hex + "\n")
}

fn text(text: impl Into<Bytes>) -> Answer {
    Response::new(Either::Left(Full::new(text.into())))
}

fn status(status: StatusCode, why: &'static str) -> Answer {
    let mut answer = text(why);
    *answer.status_mut() = status;
    answer
}

/// Another method than those.
fn refused(allowed: &'static str) -> Answer {
    let mut answer = status(
        StatusCode::METHOD_NOT_ALLOWED,
        "there is no such method here\n",
    );
    let headers = answer.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
