//! The content library on local disk: one file per upload, named by its id.
//!
//! A file is complete and synced before its row is written, and the row says what the *bytes* are, not what the caller called
//! them. Between the two nobody who leaves parts them, neither a caller who hangs up nor a process that ends in good order; a
//! process that is killed there leaves a file without a row, which nothing refers to.

mod film;
mod reader;
mod upload;

pub(crate) use reader::LibraryReader;
pub use upload::Upload;

use publisher::id::OrgId;
use std::path::PathBuf;
use std::sync::Arc;
use store::StoreError;
use tokio_util::task::TaskTracker;

/// Bounds of the library.
#[derive(Clone, Copy, Debug)]
pub struct LibraryLimits {
    /// Largest upload, in bytes.
    pub upload_bytes_max: u64,
}

impl Default for LibraryLimits {
    fn default() -> Self {
        Self {
            upload_bytes_max: 512 * 1024 * 1024,
        }
    }
}

/// The library. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Library {
    root: Arc<PathBuf>,
    limits: LibraryLimits,
    /// Files that have arrived whole and are about to get their rows.
    noting: TaskTracker,
}

/// Why a file is not in the library.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// Longer than allowed.
    #[error("the file is larger than the {max} bytes allowed")]
    TooLarge {
        /// The bound, in bytes.
        max: u64,
    },
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Not a picture or a film that any platform takes.
    #[error("the file is not a JPEG, PNG, WebP, GIF, MP4, QuickTime, WebM or WebVTT file")]
    Unrecognised,
    /// It claims to be a film and is none, or not all of it.
    #[error("the film is broken: {what}")]
    Broken {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The disk.
    #[error("the library's disk did not do its part")]
    Io(#[from] std::io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Library {
    /// Opens the library in `dir`, which is made if it is not there.
    ///
    /// Errors: the directory cannot be made or written.
    pub fn open(dir: impl Into<PathBuf>, limits: LibraryLimits) -> std::io::Result<Self> {
        let root = dir.into();
        std::fs::create_dir_all(root.join("incoming"))?;
        Ok(Self {
            root: Arc::new(root),
            limits,
            noting: TaskTracker::new(),
        })
    }

    /// Its bounds.
    pub fn limits(&self) -> LibraryLimits {
        self.limits
    }

    /// Begins an upload. Dropped unfinished, it leaves nothing behind.
    pub async fn begin(&self, org: OrgId) -> Result<Upload, LibraryError> {
        Upload::begin(self.clone(), org).await
    }

    /// Waits until every file that has arrived whole has its row, or is gone again; soon, also while the database is away.
    pub async fn close(&self) {
        self.noting.close();
        self.noting.wait().await;
    }

    pub(crate) fn reader(&self, org: OrgId) -> LibraryReader {
        LibraryReader::new(self.clone(), org)
    }

    fn path(&self, org: OrgId, id: &str) -> PathBuf {
        self.root.join(org.to_string()).join(id)
    }
}
