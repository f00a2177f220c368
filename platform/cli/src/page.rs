//! The page's static files as `concert up` serves them: hashed names cached for ever, everything else never, and the
//! headers that the bundle was made for.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
};
use std::{collections::BTreeMap, path::Path};
use tower_http::services::{ServeDir, ServeFile};

/// What a bundle says of itself: the response headers that it was tested with.
const HEADERS_FILE: &str = "headers.json";

/// Serves `folder`; a path without a file answers `index.html`, since the page routes by itself.
///
/// # Errors
/// The folder holds no bundle, or its header file cannot be read.
pub fn router(folder: &Path) -> anyhow::Result<Router> {
    use anyhow::Context as _;
    let index = folder.join("index.html");
    if !index.exists() {
        anyhow::bail!(
            "{} holds no page: run `cargo xtask bundle` and pass its folder with --page",
            folder.display()
        );
    }
    let path = folder.join(HEADERS_FILE);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let values: BTreeMap<String, String> =
        serde_json::from_str(&text).with_context(|| format!("{} is not a map of headers", path.display()))?;
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let files = ServeDir::new(folder)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(ServeFile::new(index).precompressed_br().precompressed_gzip());
    Ok(Router::new()
        .fallback_service(files)
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let headers = headers.clone();
            async move {
                let hashed = is_hashed(request.uri().path());
                let mut response = next.run(request).await;
                if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
                    let cache = if hashed {
                        "public, max-age=31536000, immutable"
                    } else {
                        "no-cache"
                    };
                    response
                        .headers_mut()
                        .insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
                }
                response.headers_mut().extend(headers);
                response
            }
        })))
}

/// Whether a name carries its content's hash (`app-0123456789abcdef.js`), so that it never changes.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').next().unwrap_or(name);
    stem.rsplit_once('-')
        .is_some_and(|(_, hash)| hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What stands at `/` when no bundle was given: the API works without the page.
pub fn absent() -> Router {
    async fn explain() -> Response {
        (
            StatusCode::NOT_FOUND,
            Html(concat!(
                "<!doctype html><html lang=en><title>Concert</title><p>The page is not built. Run ",
                "<code>cargo xtask bundle</code> and start <code>concert up</code> with <code>--page</code> and the ",
                "folder that it prints. The API answers under <a href=/api/health>/api</a>."
            )),
        )
            .into_response()
    }
    Router::new().fallback(explain)
}

#[cfg(test)]
mod tests {
    use super::is_hashed;

    #[test]
    fn only_a_name_with_a_hash_is_cached_for_ever() {
        assert!(is_hashed("/app-0123456789abcdef.js"));
        assert!(is_hashed("/echarts-5d236d7ab748ca36.js"));
        assert!(!is_hashed("/concert-anniversary.html"));
        assert!(!is_hashed("/index.html"));
        assert!(!is_hashed("/venues/blue-note"));
    }
}
