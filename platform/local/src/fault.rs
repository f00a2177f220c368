//! Faults on demand, for tests of whatever calls this endpoint: `x-concert-fault: throttle | latency=MS | status=N |
//! cut=N | corrupt=N`, several joined by commas. A caller that cannot add a header, such as the edge, is tested by
//! `PUT /_concert/fault`, which gives the next matching requests the same.

use crate::error::{AwsError, Protocol};
use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Response, StatusCode};
use serde::Deserialize;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

pub(crate) const HEADER: &str = "x-concert-fault";

/// No test waits longer than this.
const LATENCY_MAX: Duration = Duration::from_secs(60);
/// How many orders of faults may wait for their requests.
const WAITING_MAX: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Refuse as AWS does when too many requests came.
    Throttle,
    /// Wait, then go on.
    Latency(Duration),
    /// Refuse with this status.
    Status(StatusCode),
    /// End the connection after so many bytes of the body.
    Cut(u64),
    /// Turn over the bits of the body's byte at this place.
    Corrupt(u64),
}

/// Reads a header's value.
///
/// # Errors
/// Says which part is no fault.
pub(crate) fn parse(text: &str) -> Result<Vec<Fault>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(one)
        .collect()
}

fn one(text: &str) -> Result<Fault, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let number = || {
        value
            .parse::<u64>()
            .map_err(|_| format!("{text:?}: {value:?} is no whole number"))
    };
    match name {
        "throttle" if value.is_empty() => Ok(Fault::Throttle),
        "latency" => Ok(Fault::Latency(Duration::from_millis(number()?).min(LATENCY_MAX))),
        "status" => u16::try_from(number()?)
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
            .filter(|status| status.is_client_error() || status.is_server_error())
            .map(Fault::Status)
            .ok_or_else(|| format!("{text:?}: a status is 400 to 599")),
        "cut" => Ok(Fault::Cut(number()?)),
        "corrupt" => Ok(Fault::Corrupt(number()?)),
        _ => Err(format!(
            "{text:?} is no fault: use throttle, latency=MS, status=N, cut=N or corrupt=N"
        )),
    }
}

/// `PUT /_concert/fault`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// As the header's value. Empty takes back every order that waits.
    pub fault: String,
    /// How many requests get it.
    #[serde(default = "once")]
    pub count: u32,
    /// Only requests for this operation: `ConverseStream`. None: any.
    #[serde(default)]
    pub operation: Option<String>,
}

fn once() -> u32 {
    1
}

#[derive(Default)]
pub(crate) struct Orders(Mutex<Vec<(Order, Vec<Fault>)>>);

impl Orders {
    pub fn put(&self, order: Order) -> Result<(), String> {
        let faults = parse(&order.fault)?;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.is_empty() {
            waiting.clear();
        } else if waiting.len() >= WAITING_MAX {
            return Err(format!(
                "{WAITING_MAX} orders wait already; put an empty fault to take them back"
            ));
        } else {
            waiting.push((order, faults));
        }
        Ok(())
    }

    /// The faults of the first order that fits, which is used up by one.
    pub fn take(&self, operation: &str) -> Vec<Fault> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |order: &Order| order.operation.as_deref().is_none_or(|wanted| wanted == operation);
        let Some(at) = waiting.iter().position(|(order, _)| fits(order)) else {
            return Vec::new();
        };
        let faults = waiting[at].1.clone();
        waiting[at].0.count = waiting[at].0.count.saturating_sub(1);
        if waiting[at].0.count == 0 {
            waiting.remove(at);
        }
        faults
    }
}

/// The faults that come before the work: waiting and refusing.
pub(crate) async fn before(faults: &[Fault], protocol: Protocol) -> Result<(), AwsError> {
    for fault in faults {
        match fault {
            Fault::Latency(time) => tokio::time::sleep(*time).await,
            Fault::Throttle => return Err(AwsError::throttled(protocol)),
            Fault::Status(status) => {
                let code = match status.as_u16() {
                    429 => "ThrottlingException",
                    503 => "ServiceUnavailableException",
                    400..=499 => "ValidationException",
                    _ => "InternalServerException",
                };
                return Err(AwsError::new(*status, code, "This fault was asked for."));
            }
            Fault::Cut(_) | Fault::Corrupt(_) => {}
        }
    }
    Ok(())
}

/// The faults of the answer's body.
pub(crate) fn after(faults: &[Fault], response: Response<Body>) -> Response<Body> {
    faults.iter().fold(response, |response, fault| match fault {
        Fault::Cut(at) => map(response, *at, Damage::Cut),
        Fault::Corrupt(at) => map(response, *at, Damage::Corrupt),
        Fault::Throttle | Fault::Latency(_) | Fault::Status(_) => response,
    })
}

#[derive(Clone, Copy)]
enum Damage {
    Cut,
    Corrupt,
}

fn map(response: Response<Body>, at: u64, damage: Damage) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    // Without a length the body goes in chunks, and its early end is seen as a broken connection.
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from_stream(damaged(body.into_data_stream(), at, damage)))
}

fn damaged(
    stream: impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static,
    at: u64,
    damage: Damage,
) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static {
    let mut seen = 0_u64;
    let mut ended = false;
    stream
        .flat_map(move |item| {
            let mut out = Vec::new();
            match item {
                _ if ended => {}
                Err(error) => out.push(Err(error)),
                Ok(bytes) => {
                    let offset = usize::try_from(at.saturating_sub(seen)).unwrap_or(usize::MAX);
                    let here = at >= seen && offset < bytes.len();
                    seen += bytes.len() as u64;
                    match damage {
                        Damage::Cut if here => {
                            out.push(Ok(bytes.slice(..offset)));
                            out.push(Err(axum::Error::new(std::io::Error::other("cut as asked for"))));
                            ended = true;
                        }
                        Damage::Corrupt if here => {
                            let mut bytes = bytes.to_vec();
                            bytes[offset] ^= 0xff;
                            out.push(Ok(Bytes::from(bytes)));
                        }
                        _ => out.push(Ok(bytes)),
                    }
                }
            }
            futures::stream::iter(out)
        })
        // The server writes out what it holds when the body pauses, and drops it when the body fails.
        .then(|item| async move {
            if item.is_err() {
                tokio::task::yield_now().await;
            }
            item
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_or_refused_by_name() {
        assert_eq!(parse("throttle"), Ok(vec![Fault::Throttle]));
        assert_eq!(
            parse("latency=20, cut=7"),
            Ok(vec![Fault::Latency(Duration::from_millis(20)), Fault::Cut(7)])
        );
        assert_eq!(parse(""), Ok(vec![]));
        for wrong in ["status=200", "status=x", "cut", "explode", "latency=-1"] {
            assert!(parse(wrong).is_err_and(|error| error.contains(wrong)), "{wrong}");
        }
    }

    #[test]
    fn orders_are_used_up() {
        let orders = Orders::default();
        let order = |fault: &str, count, operation: Option<&str>| Order {
            fault: fault.to_owned(),
            count,
            operation: operation.map(str::to_owned),
        };
        orders.put(order("throttle", 2, Some("Converse"))).expect("accepted");
        assert_eq!(orders.take("ExecuteStatement"), vec![]);
        assert_eq!(orders.take("Converse"), vec![Fault::Throttle]);
        assert_eq!(orders.take("Converse"), vec![Fault::Throttle]);
        assert_eq!(orders.take("Converse"), vec![]);
        orders.put(order("cut=1", 9, None)).expect("accepted");
        orders.put(order("", 1, None)).expect("accepted");
        assert_eq!(orders.take("Converse"), vec![]);
    }

    async fn body(parts: &[&'static str], faults: &[Fault]) -> (String, bool) {
        let parts: Vec<Result<Bytes, std::io::Error>> = parts
            .iter()
            .map(|part| Ok(Bytes::from_static(part.as_bytes())))
            .collect();
        let response = after(faults, Response::new(Body::from_stream(futures::stream::iter(parts))));
        let mut stream = response.into_body().into_data_stream();
        let mut text = Vec::new();
        while let Some(item) = stream.next().await {
            match item {
                Ok(bytes) => text.extend_from_slice(&bytes),
                Err(_) => return (String::from_utf8_lossy(&text).into_owned(), true),
            }
        }
        (String::from_utf8_lossy(&text).into_owned(), false)
    }

    #[tokio::test]
    async fn bodies_are_cut_and_corrupted_where_asked() {
        assert_eq!(body(&["abc", "def"], &[Fault::Cut(4)]).await, ("abcd".to_owned(), true));
        assert_eq!(body(&["abc", "def"], &[Fault::Cut(0)]).await, (String::new(), true));
        assert_eq!(
            body(&["abc", "def"], &[Fault::Cut(6)]).await,
            ("abcdef".to_owned(), false)
        );
        let (text, broken) = body(&["abc", "def"], &[Fault::Corrupt(3)]).await;
        assert!(
            !broken && text.starts_with("abc") && text.ends_with("ef") && !text.contains('d'),
            "{text}"
        );
    }
}
