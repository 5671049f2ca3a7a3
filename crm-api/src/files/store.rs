//! Bytes in the object store. An upload is written under a temporary name and
//! appears under its own only when it is whole.

use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path as FsPath;
use std::sync::Arc;

use axum::body::Body;
use futures::StreamExt;
use housecall_protocol::domain::FileView;
use housecall_protocol::{ConversationId, FileId};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};

use super::content::{Content, Sniffer};
use crate::problem::ApiError;
use crate::storage::files::FileRow;

/// The file directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file directory cannot be used: {0}")]
pub struct StoreError(String);

/// Where files are.
#[derive(Clone)]
pub(crate) struct FileStore {
    store: Arc<dyn ObjectStore>,
}

/// What was received and stored.
pub(crate) struct Received {
    pub(crate) content: Content,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: Vec<u8>,
}

impl Received {
    /// The record of the file.
    pub(crate) fn into_row(
        self,
        id: FileId,
        conversation: ConversationId,
        name: String,
    ) -> FileRow {
        let Content { media_type, width, height } = self.content;
        let view = FileView {
            id,
            name,
            media_type: media_type.to_owned(),
            size_bytes: self.size_bytes,
            width,
            height,
        };
        FileRow { view, conversation, sha256: self.sha256 }
    }
}

impl FileStore {
    /// Files in a local directory, created when missing.
    pub(crate) fn local(directory: &FsPath) -> Result<Self, StoreError> {
        let unusable =
            |error: &dyn std::fmt::Display| StoreError(format!("{}: {error}", directory.display()));
        // Nobody else on the machine reads patients' files. A directory that is there
        // keeps the rights its owner gave it.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| unusable(&error))?;
        let store =
            LocalFileSystem::new_with_prefix(directory).map_err(|error| unusable(&error))?;
        Ok(Self { store: Arc::new(store) })
    }

    /// Takes a body in, at most `limit_bytes`, of one of the `accepted` types.
    pub(crate) async fn receive(
        &self,
        id: FileId,
        body: Body,
        limit_bytes: u64,
        accepted: &[String],
    ) -> Result<Received, ApiError> {
        let upload = self.store.put_multipart(&path(id)).await.map_err(|error| failed(&error))?;
        // Parts of 1 MiB, two on their way: a slow disk slows the sender down
        // instead of filling the memory.
        let mut writer = WriteMultipart::new_with_chunk_size(upload, 1024 * 1024);
        match copy(body, &mut writer, limit_bytes, accepted).await {
            Ok(received) => {
                writer.finish().await.map_err(|error| failed(&error))?;
                Ok(received)
            }
            Err(error) => {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, file = %id, "an unfinished upload stays behind");
                }
                Err(error)
            }
        }
    }

    /// The bytes, or a part of them.
    pub(crate) async fn read(
        &self,
        id: FileId,
        range: Option<Range<u64>>,
    ) -> Result<Body, ApiError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let result = self.store.get_opts(&path(id), options).await.map_err(|error| {
            tracing::error!(%error, file = %id, "a file of record is not in the store");
            ApiError::Unavailable
        })?;
        Ok(Body::from_stream(result.into_stream()))
    }

    /// Removes a file that no record names.
    pub(crate) async fn remove(&self, id: FileId) {
        if let Err(error) = self.store.delete(&path(id)).await {
            tracing::warn!(%error, file = %id, "a file without a record stays behind");
        }
    }
}

/// Spread over directories by the id's random end, since ids of one day begin alike.
fn path(id: FileId) -> Path {
    let id = id.0.simple().to_string();
    Path::from_iter([&id[30..], id.as_str()])
}

async fn copy(
    body: Body,
    writer: &mut WriteMultipart,
    limit_bytes: u64,
    accepted: &[String],
) -> Result<Received, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut sniffer = Sniffer::new(accepted);
    let mut digest = Sha256::new();
    let mut size_bytes = 0_u64;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| ApiError::BadRequest("the upload broke off".to_owned()))?;
        size_bytes += chunk.len() as u64;
        if size_bytes > limit_bytes {
            return Err(ApiError::TooLarge { limit_bytes });
        }
        sniffer.push(&chunk)?;
        digest.update(&chunk);
        writer.wait_for_capacity(2).await.map_err(|error| failed(&error))?;
        writer.put(chunk);
    }
    let content = sniffer.finish()?;
    let size_bytes = i64::try_from(size_bytes).map_err(|_| ApiError::TooLarge { limit_bytes })?;
    Ok(Received { content, size_bytes, sha256: digest.finalize().to_vec() })
}

fn failed(error: &object_store::Error) -> ApiError {
    tracing::error!(%error, "file store");
    ApiError::Unavailable
}
