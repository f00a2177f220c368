//! The edge alone, with its settings from the environment: `cargo run -p concert-edge-native --example serve -- PORT`.
//! `concert up` serves it together with the page and a local AWS.

use std::net::SocketAddr;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let router = concert_edge_native::native_router(|name| std::env::var(name).ok())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("Serving at http://{}", listener.local_addr()?);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}
