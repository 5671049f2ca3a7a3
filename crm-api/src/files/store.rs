//! Bytes in the object store: a local directory or a bucket of S3. An upload arrives
//! as parts under names of their own; the file appears under its id only when it is
//! whole.

mod backend;

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use housecall_protocol::FileId;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use uuid::Uuid;

use crate::problem::ApiError;

pub use backend::StoreError;

/// Bytes of a part: what a break of the line may cost, and what S3 takes as a part
/// of a larger upload.
pub(super) const PART_BYTES: usize = 1024 * 1024;
/// S3 refuses parts of less, but for the last one.
const MULTIPART_BYTES: usize = 5 * 1024 * 1024;

/// Where files are.
#[derive(Clone)]
pub(crate) struct FileStore {
    store: Arc<dyn ObjectStore>,
}

/// A piece of an upload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) object: Uuid,
    pub(crate) length_bytes: u64,
}

impl FileStore {
    /// # Errors
    /// When the directory or the bucket's settings cannot be used.
    pub(crate) fn open(config: &crate::Config) -> Result<Self, StoreError> {
        Ok(Self { store: backend::open(config)? })
    }

    /// Keeps a piece of an upload.
    pub(super) async fn put_part(&self, upload: FileId, bytes: Bytes) -> Result<Part, ApiError> {
        let part = Part { object: Uuid::new_v4(), length_bytes: bytes.len() as u64 };
        self.put(&part_path(upload, part.object), bytes).await?;
        Ok(part)
    }

    /// The bytes of the parts, one after the other.
    pub(super) fn parts<'a>(
        &'a self,
        upload: FileId,
        parts: &'a [Part],
    ) -> BoxStream<'a, Result<Bytes, ApiError>> {
        stream::iter(parts)
            .then(move |part| async move {
                let object = self.store.get(&part_path(upload, part.object)).await;
                let bytes = object.map_err(|error| failed(&error))?.bytes().await;
                bytes.map_err(|error| failed(&error))
            })
            .boxed()
    }

    /// Removes all that is left of an upload's parts.
    pub(crate) async fn discard_parts(&self, upload: FileId) {
        let prefix = Path::from_iter(["parts", upload.0.simple().to_string().as_str()]);
        let listed = self.store.list(Some(&prefix)).map_ok(|object| object.location).boxed();
        let removed = self.store.delete_stream(listed);
        if let Err(error) = removed.try_for_each(|_| async { Ok(()) }).await {
            tracing::warn!(%error, upload = %upload, "parts of an upload stay behind");
        }
    }

    /// Stores a file whole.
    pub(crate) async fn put_file(&self, id: FileId, bytes: Bytes) -> Result<(), ApiError> {
        self.put(&path(id), bytes).await
    }

    pub(super) async fn put_thumbnail(&self, id: FileId, bytes: Bytes) -> Result<(), ApiError> {
        self.put(&thumbnail_path(id), bytes).await
    }

    /// Stores a file from its parts.
    pub(super) async fn join(&self, id: FileId, parts: &[Part]) -> Result<(), ApiError> {
        let upload = self.store.put_multipart(&path(id)).await.map_err(|error| failed(&error))?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, MULTIPART_BYTES);
        let mut chunks = self.parts(id, parts);
        while let Some(chunk) = chunks.next().await {
            if let Err(error) = pass_on(&mut writer, chunk).await {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, file = %id, "an unfinished file stays behind");
                }
                return Err(error);
            }
        }
        writer.finish().await.map(drop).map_err(|error| failed(&error))
    }

    /// The bytes, or a part of them.
    pub(crate) async fn read(
        &self,
        id: FileId,
        range: Option<Range<u64>>,
    ) -> Result<Body, ApiError> {
        self.stream(id, &path(id), range).await.map(Body::from_stream)
    }

    pub(super) async fn read_thumbnail(&self, id: FileId) -> Result<Body, ApiError> {
        self.stream(id, &thumbnail_path(id), None).await.map(Body::from_stream)
    }

    /// The bytes as the scanner reads them.
    pub(super) async fn stream_file(
        &self,
        id: FileId,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>, ApiError> {
        self.stream(id, &path(id), None).await
    }

    async fn stream(
        &self,
        id: FileId,
        path: &Path,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>, ApiError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let result = self.store.get_opts(path, options).await.map_err(|error| {
            tracing::error!(%error, file = %id, "a file of record is not in the store");
            ApiError::Unavailable
        })?;
        Ok(result.into_stream())
    }

    /// Removes a file that no record names, or that nobody may have.
    pub(crate) async fn remove(&self, id: FileId) {
        for path in [path(id), thumbnail_path(id)] {
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(%error, file = %id, "a file without a record stays behind");
                }
            }
        }
    }

    async fn put(&self, path: &Path, bytes: Bytes) -> Result<(), ApiError> {
        let stored = self.store.put(path, PutPayload::from_bytes(bytes)).await;
        stored.map(drop).map_err(|error| failed(&error))
    }
}

/// Two chunks may be on their way: a slow store slows the reader down instead of
/// filling the memory.
async fn pass_on(
    writer: &mut WriteMultipart,
    chunk: Result<Bytes, ApiError>,
) -> Result<(), ApiError> {
    let chunk = chunk?;
    writer.wait_for_capacity(2).await.map_err(|error| failed(&error))?;
    writer.put(chunk);
    Ok(())
}

/// Spread over directories by the id's random end, since ids of one day begin alike.
fn path(id: FileId) -> Path {
    let id = id.0.simple().to_string();
    Path::from_iter([&id[30..], id.as_str()])
}

fn thumbnail_path(id: FileId) -> Path {
    let id = id.0.simple().to_string();
    Path::from_iter(["thumbnails", &id[30..], id.as_str()])
}

fn part_path(upload: FileId, object: Uuid) -> Path {
    let (upload, object) = (upload.0.simple().to_string(), object.simple().to_string());
    Path::from_iter(["parts", upload.as_str(), object.as_str()])
}

fn failed(error: &object_store::Error) -> ApiError {
    tracing::error!(%error, "file store");
    ApiError::Unavailable
}
