//! Files of conversations: uploaded as a raw body, stored by id, served to those
//! who may read the conversation, as what their content is.

mod content;
mod name;
mod store;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use housecall_protocol::domain::FileView;
use housecall_protocol::{ConversationId, FileId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::extract::{Id, Parameters};
use crate::identity::caller::{Account, Caller};
use crate::problem::ApiError;
use crate::storage;
use crate::storage::audit::{self, Action};
use crate::storage::files::FileRow;

pub(crate) use store::FileStore;
pub use store::StoreError;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadParameters {
    /// The name to show; directories in it are dropped.
    #[serde(default)]
    name: Option<String>,
}

/// Uploads a file into a conversation; a chat message then carries it by id.
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
    if announced.and_then(|text| text.parse().ok()).is_some_and(|bytes: u64| bytes > limit_bytes) {
        return Err(ApiError::TooLarge { limit_bytes });
    }
    let id = FileId::generate();
    let received = app.files.receive(id, body, limit_bytes, &app.config.file_types).await?;
    let given = parameters.name.as_deref().unwrap_or_default();
    let name = name::for_content(given, received.content.media_type);
    let row = received.into_row(id, conversation, name);
    if let Err(error) = record(&app, &row, caller, patient).await {
        app.files.remove(id).await;
        return Err(error);
    }
    Ok((StatusCode::CREATED, Json(row.view)))
}

/// The conversation's patient, when the caller may write into it. What the caller
/// may not even read does not exist for them.
async fn authorise_upload(
    app: &App,
    caller: Caller,
    conversation: ConversationId,
) -> Result<housecall_protocol::PersonId, ApiError> {
    let client = app.client().await?;
    if !storage::conversations::may_write(&client, caller.person, conversation).await? {
        let readable = storage::conversations::may_read(&client, caller.person, conversation);
        return Err(if readable.await? { ApiError::Forbidden } else { ApiError::NotFound });
    }
    storage::conversations::patient(&client, conversation).await?.ok_or(ApiError::NotFound)
}

async fn record(
    app: &App,
    row: &FileRow,
    caller: Caller,
    patient: housecall_protocol::PersonId,
) -> Result<(), ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    storage::files::insert(&transaction, row, caller.person).await?;
    if caller.account != Account::Patient {
        let object = row.view.id.to_string();
        audit::record(&transaction, caller.person, Some(patient), Action::FileUpload, &object)
            .await?;
    }
    transaction.commit().await?;
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

async fn authorise_download(app: &App, caller: Caller, id: FileId) -> Result<FileRow, ApiError> {
    let client = app.client().await?;
    let row = storage::files::find(&client, id).await?.ok_or(ApiError::NotFound)?;
    if !storage::conversations::may_read(&client, caller.person, row.conversation).await? {
        return Err(ApiError::NotFound);
    }
    if caller.account != Account::Patient {
        let patient = storage::conversations::patient(&client, row.conversation).await?;
        audit::record(&client, caller.person, patient, Action::FileRead, &id.to_string()).await?;
    }
    Ok(row)
}
