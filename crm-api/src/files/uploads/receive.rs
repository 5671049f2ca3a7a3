//! Bytes as they come. What has come is kept when the line breaks.

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use futures::StreamExt;

use super::headers;
use crate::app::App;
use crate::files::content::Sniffer;
use crate::files::store::PART_BYTES;
use crate::problem::ApiError;
use crate::storage;
use crate::storage::uploads::{PartRow, UploadRow};

/// Appends a body to an upload, part by part, and moves `upload.offset_bytes` along.
pub(super) async fn append(
    app: &App,
    upload: &mut UploadRow,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), ApiError> {
    if !headers::carries_bytes(headers) {
        return Err(ApiError::UploadType);
    }
    // A creation that brings bytes along begins at the beginning.
    let offset = if headers.contains_key("upload-offset") {
        headers::number(headers, "upload-offset")?
    } else {
        0
    };
    if offset != upload.offset_bytes {
        return Err(ApiError::UploadOffset);
    }
    let mut chunks = body.into_data_stream();
    let mut held = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            keep(app, upload, std::mem::take(&mut held)).await?;
            return Err(ApiError::BadRequest("the upload broke off".to_owned()));
        };
        let left = upload.length_bytes - upload.offset_bytes;
        let total = i64::try_from(held.len() + chunk.len()).unwrap_or(i64::MAX);
        if total > left {
            return Err(ApiError::TooLarge { limit_bytes: upload.length_bytes.unsigned_abs() });
        }
        held.extend_from_slice(&chunk);
        if held.len() >= PART_BYTES {
            keep(app, upload, std::mem::take(&mut held)).await?;
        }
    }
    keep(app, upload, held).await
}

async fn keep(app: &App, upload: &mut UploadRow, bytes: Vec<u8>) -> Result<(), ApiError> {
    if bytes.is_empty() {
        return Ok(());
    }
    if upload.offset_bytes == 0 && bytes.len() >= PART_BYTES {
        refuse_early(app, &bytes)?;
    }
    let part = app.files.put_part(upload.id, Bytes::from(bytes)).await?;
    let length_bytes = i64::try_from(part.length_bytes).map_err(|_| ApiError::Internal)?;
    let row = PartRow { length_bytes, object: part.object };
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    if !storage::uploads::append(&transaction, upload.id, upload.offset_bytes, &row).await? {
        // The object goes with the upload's other parts.
        return Err(ApiError::UploadOffset);
    }
    transaction.commit().await?;
    upload.offset_bytes += length_bytes;
    Ok(())
}

/// A film of a type that is not accepted is refused after its first part, not after
/// its last.
fn refuse_early(app: &App, bytes: &[u8]) -> Result<(), ApiError> {
    Sniffer::new(&app.config.file_types).push(bytes)
}
