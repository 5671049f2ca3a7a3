//! The store that the configuration names.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use secrecy::ExposeSecret;

use crate::config::{Config, S3Config};

/// Files cannot be kept where the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the file directory cannot be used: {0}")]
    Directory(String),
    #[error("crm_api.s3 cannot be used: {0}")]
    S3(object_store::Error),
}

pub(super) fn open(config: &Config) -> Result<Arc<dyn ObjectStore>, StoreError> {
    if config.s3.bucket.is_empty() { local(&config.files_dir) } else { s3(&config.s3) }
}

/// A local directory, created when missing.
fn local(directory: &Path) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let unusable = |error: &dyn std::fmt::Display| {
        StoreError::Directory(format!("{}: {error}", directory.display()))
    };
    // Nobody else on the machine reads patients' files. A directory that is there
    // keeps the rights its owner gave it.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| unusable(&error))?;
    let store = LocalFileSystem::new_with_prefix(directory).map_err(|error| unusable(&error))?;
    // Directories of parts would stay behind, one for each upload there ever was.
    Ok(Arc::new(store.with_automatic_cleanup(true)))
}

/// Credentials that the configuration leaves out come from the environment or the
/// machine, as AWS's own tools find them.
fn s3(config: &S3Config) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&config.bucket)
        .with_virtual_hosted_style_request(config.virtual_hosted_style)
        .with_allow_http(config.endpoint.starts_with("http://"));
    if !config.endpoint.is_empty() {
        builder = builder.with_endpoint(&config.endpoint);
    }
    if !config.region.is_empty() {
        builder = builder.with_region(&config.region);
    }
    if !config.access_key_id.is_empty() {
        builder = builder.with_access_key_id(&config.access_key_id);
    }
    if let Some(secret) = &config.secret_access_key {
        builder = builder.with_secret_access_key(secret.expose_secret());
    }
    builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(StoreError::S3)
}
