//! Uploads that survive a lost connection: tus 1.0.0 (tus.io/protocols/resumable-upload)
//! with the extensions `creation`, `creation-with-upload`, `expiration` and
//! `termination`. The upload's id is the file's.

mod headers;
mod receive;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use housecall_protocol::rest::UploadView;
use housecall_protocol::{ConversationId, FileId};

use super::intake;
use super::store::Part;
use crate::app::App;
use crate::extract::Id;
use crate::identity::caller::Caller;
use crate::problem::ApiError;
use crate::storage;
use crate::storage::uploads::UploadRow;

use headers::Announced;

const EXTENSIONS: &str = "creation,creation-with-upload,expiration,termination";

/// What this server speaks.
#[utoipa::path(options, path = "/api/v1/conversations/{id}/uploads", tag = "files",
    operation_id = "uploadOptions", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size")))]
pub(crate) async fn options(State(app): State<App>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert("tus-resumable", HeaderValue::from_static(headers::VERSION));
    headers.insert("tus-version", HeaderValue::from_static(headers::VERSION));
    headers.insert("tus-extension", HeaderValue::from_static(EXTENSIONS));
    headers.insert("tus-max-size", app.context.settings.max_file_bytes.into());
    response
}

/// Begins an upload. The file's id is the last element of `Location`.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/uploads", tag = "files",
    operation_id = "createUpload",
    params(("id" = Uuid, Path),
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Length" = i64, Header, description = "Bytes of the whole file"),
        ("Upload-Metadata" = Option<String>, Header,
            description = "`name` and `sha256` (of the whole file), values in Base64")),
    responses((status = 201, description = "Location, Upload-Offset, Upload-Expires")))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Id(conversation): Id<ConversationId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    super::authorise_upload(&app, caller, conversation).await?;
    headers::check_version(&headers)?;
    let announced = Announced::read(&headers, app.context.settings.max_file_bytes)?;
    app.limits.uploads_by_person.check(&caller.person)?;
    super::check_usage(&app, caller, announced.length_bytes).await?;
    let mut upload = UploadRow {
        id: FileId::generate(),
        conversation,
        uploader: caller.person,
        name: announced.name,
        length_bytes: announced.length_bytes,
        offset_bytes: 0,
        sha256: announced.sha256,
        created_at: jiff::Timestamp::from_second(0).unwrap_or_default(),
    };
    {
        let client = app.client().await?;
        storage::uploads::insert(&client, &upload).await?;
        upload = find(&app, caller, upload.id).await?;
    }
    if headers::carries_bytes(&headers) {
        receive::append(&app, &mut upload, &headers, body).await?;
        finish_if_whole(&app, caller, &upload).await?;
    }
    let mut response = state(&app, &upload, StatusCode::CREATED);
    let location = format!("/api/v1/uploads/{}", upload.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// How far an upload has come, and the file when it is whole. `HEAD` answers with
/// the same headers.
#[utoipa::path(get, path = "/api/v1/uploads/{id}", tag = "files", operation_id = "readUpload",
    params(("id" = Uuid, Path)), responses((status = 200, body = UploadView)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<FileId>,
) -> Result<Response, ApiError> {
    let upload = find(&app, caller, id).await?;
    // Whoever was to make the file of it may have died.
    let file = finish_if_whole(&app, caller, &upload).await?;
    let head = state(&app, &upload, StatusCode::OK).into_parts().0;
    let view = UploadView {
        id,
        offset_bytes: upload.offset_bytes,
        length_bytes: upload.length_bytes,
        file,
    };
    Ok((head.status, head.headers, Json(view)).into_response())
}

/// Adds bytes at `Upload-Offset`. With the last ones the file is made.
#[utoipa::path(patch, path = "/api/v1/uploads/{id}", tag = "files", operation_id = "appendUpload",
    params(("id" = Uuid, Path),
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Offset" = i64, Header, description = "Where the bytes belong")),
    request_body(content = String, content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "Upload-Offset, Upload-Expires")))]
pub(crate) async fn append(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<FileId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let mut upload = find(&app, caller, id).await?;
    headers::check_version(&headers)?;
    // The right to write may have ended since the upload began.
    super::authorise_upload(&app, caller, upload.conversation).await?;
    receive::append(&app, &mut upload, &headers, body).await?;
    finish_if_whole(&app, caller, &upload).await?;
    Ok(state(&app, &upload, StatusCode::NO_CONTENT))
}

/// Gives an upload up.
#[utoipa::path(delete, path = "/api/v1/uploads/{id}", tag = "files", operation_id = "endUpload",
    params(("id" = Uuid, Path)), responses((status = 204)))]
pub(crate) async fn end(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<FileId>,
) -> Result<StatusCode, ApiError> {
    let upload = find(&app, caller, id).await?;
    discard(&app, upload.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, caller: Caller, id: FileId) -> Result<UploadRow, ApiError> {
    let client = app.client().await?;
    storage::uploads::find(&client, id, caller.person).await?.ok_or(ApiError::NotFound)
}

async fn discard(app: &App, id: FileId) -> Result<(), ApiError> {
    let client = app.client().await?;
    storage::uploads::remove(&client, id).await?;
    drop(client);
    app.files.discard_parts(id).await;
    Ok(())
}

/// Makes the file of a whole upload, once.
async fn finish_if_whole(
    app: &App,
    caller: Caller,
    upload: &UploadRow,
) -> Result<Option<housecall_protocol::domain::FileView>, ApiError> {
    if upload.offset_bytes < upload.length_bytes {
        return Ok(None);
    }
    let client = app.client().await?;
    if let Some(file) = storage::files::find(&client, upload.id).await? {
        return Ok(Some(file.view));
    }
    if !storage::uploads::begin_finishing(&client, upload.id).await? {
        return Err(ApiError::UploadBusy);
    }
    let patient = super::authorise_upload(app, caller, upload.conversation).await?;
    let parts = storage::uploads::parts(&client, upload.id).await?;
    drop(client);
    let parts: Vec<_> = parts
        .iter()
        .map(|part| Part {
            object: part.object,
            length_bytes: u64::try_from(part.length_bytes).unwrap_or(0),
        })
        .collect();
    let whole = intake::Upload {
        id: upload.id,
        conversation: upload.conversation,
        patient,
        caller,
        name: &upload.name,
        sha256: upload.sha256.as_deref(),
        parts: &parts,
    };
    let finished = intake::finish(app, &whole).await;
    settle(app, upload.id, &finished).await?;
    finished.map(Some)
}

/// The parts have done their work, or can be tried again.
async fn settle<T>(app: &App, id: FileId, finished: &Result<T, ApiError>) -> Result<(), ApiError> {
    match finished {
        Ok(_) => app.files.discard_parts(id).await,
        Err(ApiError::Unavailable | ApiError::Internal) => {
            let client = app.client().await?;
            storage::uploads::stop_finishing(&client, id).await?;
        }
        Err(_) => discard(app, id).await?,
    }
    Ok(())
}

fn state(app: &App, upload: &UploadRow, status: StatusCode) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert("tus-resumable", HeaderValue::from_static(headers::VERSION));
    headers.insert("upload-offset", upload.offset_bytes.into());
    headers.insert("upload-length", upload.length_bytes.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let life = jiff::SignedDuration::from_hours(i64::from(app.config.upload_life_h));
    if let Some(expires) = headers::http_date(upload.created_at + life) {
        headers.insert(HeaderName::from_static("upload-expires"), expires);
    }
    response
}
