//! Files of conversations: uploaded whole or in parts, stored by id, served to those
//! who may read the conversation, as what their content is.

mod bmff;
pub(crate) mod check;
mod content;
mod image;
mod intake;
mod name;
pub(crate) mod scanner;
mod store;
pub(crate) mod uploads;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use housecall_protocol::domain::{FileState, FileView};
use housecall_protocol::{ConversationId, FileId, PersonId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::extract::{Id, Parameters};
use crate::identity::caller::{Account, Caller};
use crate::problem::ApiError;
use crate::storage;
use crate::storage::audit::{self, Action};
use crate::storage::files::FileRow;

use store::{PART_BYTES, Part};

pub(crate) use scanner::Scanner;
pub use scanner::ScannerError;
pub(crate) use store::FileStore;
pub use store::StoreError;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadParameters {
    /// The name to show; directories in it are dropped.
    #[serde(default)]
    name: Option<String>,
}

/// Uploads a file into a conversation in one request; a chat message then carries it
/// by id. One that may be interrupted is better begun with `createUpload`.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/files", tag = "files",
    operation_id = "uploadFile", params(("id" = Uuid, Path), UploadParameters),
    request_body(content = String, content_type = "application/octet-stream",
        description = "The bytes; the type is found out from them"),
    responses((status = 201, body = FileView)))]
pub(crate) async fn upload(
    State(app): State<App>,
    caller: Caller,
    Id(conversation): Id<ConversationId>,
    Parameters(parameters): Parameters<UploadParameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<FileView>), ApiError> {
    let patient = authorise_upload(&app, caller, conversation).await?;
    app.limits.uploads_by_person.check(&caller.person)?;
    let limit_bytes = app.context.settings.max_file_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced: u64 = announced.and_then(|text| text.parse().ok()).unwrap_or(0);
    if announced > limit_bytes {
        return Err(ApiError::TooLarge { limit_bytes });
    }
    check_usage(&app, caller, i64::try_from(announced).unwrap_or(i64::MAX)).await?;
    let id = FileId::generate();
    let finished = match take_parts(&app, id, body, limit_bytes).await {
        Ok(parts) => {
            let name = parameters.name.as_deref().unwrap_or_default();
            let sha256 = None;
            let parts = &parts;
            let upload = intake::Upload { id, conversation, patient, caller, name, sha256, parts };
            intake::finish(&app, &upload).await
        }
        Err(error) => Err(error),
    };
    app.files.discard_parts(id).await;
    Ok((StatusCode::CREATED, Json(finished?)))
}

/// Stores a body as parts.
async fn take_parts(
    app: &App,
    id: FileId,
    body: Body,
    limit_bytes: u64,
) -> Result<Vec<Part>, ApiError> {
    let mut chunks = body.into_data_stream();
    let (mut parts, mut held, mut size_bytes) = (Vec::new(), Vec::new(), 0_u64);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| ApiError::BadRequest("the upload broke off".to_owned()))?;
        size_bytes += chunk.len() as u64;
        if size_bytes > limit_bytes {
            return Err(ApiError::TooLarge { limit_bytes });
        }
        held.extend_from_slice(&chunk);
        if held.len() >= PART_BYTES {
            parts.push(app.files.put_part(id, Bytes::from(std::mem::take(&mut held))).await?);
        }
    }
    if !held.is_empty() {
        parts.push(app.files.put_part(id, Bytes::from(held)).await?);
    }
    Ok(parts)
}

/// The conversation's patient, when the caller may write into it. What the caller
/// may not even read does not exist for them.
async fn authorise_upload(
    app: &App,
    caller: Caller,
    conversation: ConversationId,
) -> Result<PersonId, ApiError> {
    let client = app.client().await?;
    if !storage::conversations::may_write(&client, caller.person, conversation).await? {
        let readable = storage::conversations::may_read(&client, caller.person, conversation);
        return Err(if readable.await? { ApiError::Forbidden } else { ApiError::NotFound });
    }
    storage::conversations::patient(&client, conversation).await?.ok_or(ApiError::NotFound)
}

/// Whether the caller may bring so many bytes more.
async fn check_usage(app: &App, caller: Caller, bytes: i64) -> Result<(), ApiError> {
    let client = app.client().await?;
    let usage = storage::uploads::usage(&client, caller.person).await?;
    if usage.open >= i64::from(app.config.open_uploads_per_person) {
        return Err(ApiError::TooManyUploads { limit: app.config.open_uploads_per_person });
    }
    let limit_bytes = app.config.upload_bytes_per_person_day;
    let total = usage.day_bytes.saturating_add(bytes);
    if u64::try_from(total).is_ok_and(|total| total > limit_bytes) {
        return Err(ApiError::UploadQuota { limit_bytes });
    }
    Ok(())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DownloadParameters {
    /// `1`: always as an attachment.
    #[serde(default)]
    download: Option<u8>,
}

/// The bytes of a file.
#[utoipa::path(get, path = "/api/v1/files/{id}", tag = "files", operation_id = "downloadFile",
    params(("id" = Uuid, Path), DownloadParameters),
    responses(
        (status = 200, description = "The bytes", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "Part of the bytes", body = String, content_type = "application/octet-stream")))]
pub(crate) async fn download(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<FileId>,
    Parameters(parameters): Parameters<DownloadParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let row = authorise_download(&app, caller, id).await?;
    check_served(&row)?;
    if content::is_known(&headers, &row) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        content::describe(response.headers_mut(), &row, parameters.download == Some(1));
        return Ok(response);
    }
    let size_bytes = u64::try_from(row.view.size_bytes).unwrap_or(0);
    let range = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| content::parse_range(text, size_bytes));
    let body = app.files.read(id, range.clone()).await?;
    let mut response = Response::new(body);
    content::describe(response.headers_mut(), &row, parameters.download == Some(1));
    let length = range.as_ref().map_or(size_bytes, |range| range.end - range.start);
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    if let Some(range) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        content::describe_range(response.headers_mut(), &range, size_bytes);
    }
    Ok(response.into_response())
}

/// A small JPEG of a picture, the longest side at most 640 pixels.
#[utoipa::path(get, path = "/api/v1/files/{id}/thumbnail", tag = "files",
    operation_id = "downloadThumbnail", params(("id" = Uuid, Path)),
    responses((status = 200, description = "A JPEG", body = String, content_type = "image/jpeg")))]
pub(crate) async fn thumbnail(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<FileId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let row = authorise_download(&app, caller, id).await?;
    check_served(&row)?;
    if !row.view.has_thumbnail {
        return Err(ApiError::NotFound);
    }
    let mut response = if content::is_known(&headers, &row) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        app.files.read_thumbnail(id).await?.into_response()
    };
    content::describe(response.headers_mut(), &row, false);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    Ok(response)
}

/// A file's record: whether it is still being checked, above all.
#[utoipa::path(get, path = "/api/v1/files/{id}/view", tag = "files", operation_id = "readFile",
    params(("id" = Uuid, Path)), responses((status = 200, body = FileView)))]
pub(crate) async fn view(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<FileId>,
) -> Result<Json<FileView>, ApiError> {
    let client = app.client().await?;
    let row = readable(&client, caller, id).await?;
    Ok(Json(row.view))
}

/// Nobody gets what was not found harmless, the uploader included.
const fn check_served(row: &FileRow) -> Result<(), ApiError> {
    match row.view.state {
        FileState::Ready => Ok(()),
        FileState::Checking => Err(ApiError::FileChecking),
        FileState::Refused => Err(ApiError::FileRefused),
    }
}

async fn readable(
    client: &impl deadpool_postgres::GenericClient,
    caller: Caller,
    id: FileId,
) -> Result<FileRow, ApiError> {
    let row = storage::files::find(client, id).await?.ok_or(ApiError::NotFound)?;
    if !storage::conversations::may_read(client, caller.person, row.conversation).await? {
        return Err(ApiError::NotFound);
    }
    Ok(row)
}

async fn authorise_download(app: &App, caller: Caller, id: FileId) -> Result<FileRow, ApiError> {
    let client = app.client().await?;
    let row = readable(&client, caller, id).await?;
    if caller.account != Account::Patient {
        let patient = storage::conversations::patient(&client, row.conversation).await?;
        audit::record(&client, caller.person, patient, Action::FileRead, &id.to_string()).await?;
    }
    Ok(row)
}
