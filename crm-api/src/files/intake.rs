//! From the parts of an upload to a file of record: what it is, whether it came
//! whole, a picture without its metadata, its digest, and the scanner's word.

use axum::body::Bytes;
use futures::StreamExt;
use housecall_protocol::domain::{FileState, FileView};
use housecall_protocol::{ConversationId, FileId, PersonId};
use sha2::{Digest, Sha256};

use super::content::{Content, Sniffer};
use super::store::Part;
use super::{bmff, check, image, name};
use crate::app::App;
use crate::identity::caller::{Account, Caller};
use crate::problem::ApiError;
use crate::storage;
use crate::storage::audit::{self, Action};
use crate::storage::files::FileRow;

/// A whole upload.
pub(super) struct Upload<'a> {
    pub(super) id: FileId,
    pub(super) conversation: ConversationId,
    pub(super) patient: PersonId,
    pub(super) caller: Caller,
    /// As the uploader called it.
    pub(super) name: &'a str,
    /// As the uploader says; checked when given.
    pub(super) sha256: Option<&'a [u8]>,
    pub(super) parts: &'a [Part],
}

/// What will be stored.
struct Stored {
    content: Content,
    size_bytes: u64,
    sha256: Vec<u8>,
    has_thumbnail: bool,
}

/// Makes a file of an upload. Can be repeated when it failed half-way.
pub(super) async fn finish(app: &App, upload: &Upload<'_>) -> Result<FileView, ApiError> {
    let stored = store(app, upload).await?;
    let state = if app.scanner.is_some() { FileState::Checking } else { FileState::Ready };
    let row = FileRow {
        view: FileView {
            id: upload.id,
            name: name::for_content(upload.name, stored.content.media_type),
            media_type: stored.content.media_type.to_owned(),
            size_bytes: i64::try_from(stored.size_bytes).map_err(|_| ApiError::Internal)?,
            width: stored.content.width,
            height: stored.content.height,
            state,
            has_thumbnail: stored.has_thumbnail,
        },
        conversation: upload.conversation,
        sha256: stored.sha256,
    };
    if let Err(error) = record(app, &row, upload).await {
        app.files.remove(upload.id).await;
        return Err(error);
    }
    let mut view = row.view;
    if state == FileState::Checking {
        view.state = check::now(app, upload.id).await;
    }
    if view.state == FileState::Refused { Err(ApiError::FileInfected) } else { Ok(view) }
}

async fn store(app: &App, upload: &Upload<'_>) -> Result<Stored, ApiError> {
    let (content, digest) = examine(app, upload).await?;
    if upload.sha256.is_some_and(|expected| expected != digest) {
        return Err(ApiError::ChecksumMismatch);
    }
    if image::is_prepared(content.media_type) {
        return store_picture(app, upload, content).await;
    }
    if bmff::is_blanked(content.media_type) {
        return store_blanked(app, upload, content).await;
    }
    app.files.join(upload.id, upload.parts).await?;
    let size_bytes = upload.parts.iter().map(|part| part.length_bytes).sum();
    Ok(Stored { content, size_bytes, sha256: digest, has_thumbnail: false })
}

/// Type and digest of the bytes as they came.
async fn examine(app: &App, upload: &Upload<'_>) -> Result<(Content, Vec<u8>), ApiError> {
    let mut sniffer = Sniffer::new(&app.config.file_types);
    let mut digest = Sha256::new();
    let mut chunks = app.files.parts(upload.id, upload.parts);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        sniffer.push(&chunk)?;
        digest.update(&chunk);
    }
    Ok((sniffer.finish()?, digest.finalize().to_vec()))
}

async fn store_picture(
    app: &App,
    upload: &Upload<'_>,
    content: Content,
) -> Result<Stored, ApiError> {
    // Few at a time: a decoded picture takes hundreds of megabytes.
    let permit = app.image_workers.acquire().await.map_err(|_| ApiError::Unavailable)?;
    let original = collect(app, upload).await?;
    let max_pixels = u64::from(app.config.image_max_megapixels) * 1_000_000;
    let media_type = content.media_type;
    let prepared =
        tokio::task::spawn_blocking(move || image::prepare(media_type, original, max_pixels));
    // A decoder that panics has met a picture nobody should show.
    let picture = prepared.await.map_err(|_| ApiError::FileType)?;
    let picture = picture.map_err(|_| ApiError::FileType)?;
    drop(permit);
    let sha256 = Sha256::digest(&picture.bytes).to_vec();
    let size_bytes = picture.bytes.len() as u64;
    app.files.put_file(upload.id, picture.bytes).await?;
    let has_thumbnail = picture.thumbnail.is_some();
    if let Some(thumbnail) = picture.thumbnail {
        app.files.put_thumbnail(upload.id, thumbnail).await?;
    }
    let pixels = |length: u32| i32::try_from(length).ok();
    let content = match picture.size {
        Some((width, height)) => {
            Content { width: pixels(width), height: pixels(height), ..content }
        }
        None => content,
    };
    Ok(Stored { content, size_bytes, sha256, has_thumbnail })
}

/// A film, or a picture that nobody here decodes.
async fn store_blanked(
    app: &App,
    upload: &Upload<'_>,
    content: Content,
) -> Result<Stored, ApiError> {
    let _permit = app.image_workers.acquire().await.map_err(|_| ApiError::Unavailable)?;
    let mut bytes = Vec::from(collect(app, upload).await?);
    bmff::blank(content.media_type, &mut bytes).map_err(|_| ApiError::FileType)?;
    let sha256 = Sha256::digest(&bytes).to_vec();
    let size_bytes = bytes.len() as u64;
    app.files.put_file(upload.id, bytes.into()).await?;
    Ok(Stored { content, size_bytes, sha256, has_thumbnail: false })
}

async fn collect(app: &App, upload: &Upload<'_>) -> Result<Bytes, ApiError> {
    let mut all = Vec::new();
    let mut chunks = app.files.parts(upload.id, upload.parts);
    while let Some(chunk) = chunks.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all.into())
}

async fn record(app: &App, row: &FileRow, upload: &Upload<'_>) -> Result<(), ApiError> {
    let caller = upload.caller;
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    storage::files::insert(&transaction, row, caller.person).await?;
    if caller.account != Account::Patient {
        let object = row.view.id.to_string();
        let patient = Some(upload.patient);
        audit::record(&transaction, caller.person, patient, Action::FileUpload, &object).await?;
    }
    transaction.commit().await?;
    Ok(())
}
