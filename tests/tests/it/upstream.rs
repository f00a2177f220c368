//! An AWS that breaks: it takes every request and cuts its answer inside a frame of the event stream.

use anyhow::Result;
use concert_aws::eventstream::{Header, HeaderValue, Message, encode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Serves until it is stopped or the test ends.
pub struct Broken {
    pub url: String,
    task: JoinHandle<()>,
}

impl Broken {
    pub async fn start() -> Result<Broken> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let body = cut_stream()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let body = body.clone();
                // A client that gives up is no failure of the test.
                tokio::spawn(async move {
                    let _ = answer(stream, &body).await;
                });
            }
        });
        Ok(Broken { url, task })
    }

    /// From now on nothing listens at its address.
    pub async fn stop(self) {
        self.task.abort();
        // The listener is closed once the task is gone, which is what it was aborted for.
        let _ = self.task.await;
    }
}

/// A text, and half of another.
fn cut_stream() -> Result<Vec<u8>> {
    let header = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let frame = |text: &str| {
        encode(
            &Message::new(format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}}}"#).into_bytes())
                .add_header(header(":message-type", "event"))
                .add_header(header(":event-type", "contentBlockDelta")),
        )
    };
    let mut bytes = frame("Chicago saw ")?;
    let second = frame("the most people.")?;
    bytes.extend_from_slice(&second[..second.len() / 2]);
    Ok(bytes)
}

/// Reads one request to its end, sends the stream as one chunk and closes without the last chunk.
async fn answer(mut stream: TcpStream, body: &[u8]) -> Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let is_whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())
                    .flatten()
            });
            length.map_or_else(|| body.ends_with("0\r\n\r\n"), |length| body.len() >= length)
        });
        if is_whole || read == 0 {
            break;
        }
    }
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(format!("{:x}\r\n", body.len()).as_bytes()).await?;
    stream.write_all(body).await?;
    stream.write_all(b"\r\n").await?;
    stream.shutdown().await?;
    Ok(())
}
