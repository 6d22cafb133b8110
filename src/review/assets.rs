//! The one style sheet, the one script and the mark: in the binary, named by their content.

use crate::digest::sha256_hex;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// One file, served under a path that changes with its content.
#[derive(Debug)]
pub(super) struct Asset {
    bytes: &'static [u8],
    mime: &'static str,
    /// `review.1a2b3c4d.css`.
    name: String,
    etag: String,
}

impl Asset {
    fn new(stem: &str, extension: &str, mime: &'static str, bytes: &'static [u8]) -> Self {
        let hash: String = sha256_hex(bytes).chars().take(16).collect();
        Self { bytes, mime, name: format!("{stem}.{hash}.{extension}"), etag: format!("\"{hash}\"") }
    }

    pub(super) fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("review", "css", "text/css; charset=utf-8", include_bytes!("assets/review.css"))
});
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("review", "js", "text/javascript; charset=utf-8", include_bytes!("assets/review.js"))
});
pub(super) static MARK: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("mark", "svg", "image/svg+xml", include_bytes!("assets/mark.svg")));

/// `GET /assets/{name}`: needs no login, there is nothing of anybody in it.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = [&*STYLE, &*SCRIPT, &*MARK].into_iter().find(|asset| asset.name == name) else {
        return super::problem::not_found().await.into_response();
    };
    let kept = [(ETAG, asset.etag.as_str()), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == asset.etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(CONTENT_TYPE, asset.mime)], asset.bytes).into_response()
}
