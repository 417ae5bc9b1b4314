//! Binding a path, and what is in the way there: a live listener, or the socket of one that is gone.

use std::error;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::AddressFamily;

use crate::error::Doing;
use crate::{Error, socket};

/// Why nobody listens at a path now.
#[derive(Debug)]
pub struct ListenError {
    kind: ListenErrorKind,
    path: PathBuf,
    cause: Option<Error>,
}

/// What kept a listener from a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenErrorKind {
    /// Somebody else listens there.
    InUse,
    /// A socket that nobody listens on: its listener ended without removing it.
    Stale,
    /// Something that is no socket.
    NotASocket,
    /// Anything else: the cause is in `source()`.
    Other,
}

impl ListenError {
    fn at(path: &Path, kind: ListenErrorKind) -> Self {
        Self {
            kind,
            path: path.into(),
            cause: None,
        }
    }

    /// What was in the way.
    #[must_use]
    pub const fn kind(&self) -> ListenErrorKind {
        self.kind
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.kind {
            ListenErrorKind::InUse => write!(f, "{path} is in use: a listener answers there"),
            ListenErrorKind::Stale => write!(
                f,
                "{path} was left behind by a listener that is gone: remove it, or listen with replacement of stale sockets"
            ),
            ListenErrorKind::NotASocket => write!(f, "{path} exists and is not a socket"),
            ListenErrorKind::Other => f.write_str("could not listen at a path"),
        }
    }
}

impl error::Error for ListenError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause.as_ref().map(|e| e as _)
    }
}

impl From<Error> for ListenError {
    fn from(cause: Error) -> Self {
        Self {
            kind: ListenErrorKind::Other,
            path: PathBuf::new(),
            cause: Some(cause),
        }
    }
}

/// For `?` in functions of `io::Result`.
impl From<ListenError> for io::Error {
    fn from(e: ListenError) -> Self {
        match e.cause {
            Some(cause) => cause.into(),
            None => Self::new(io::ErrorKind::AddrInUse, e),
        }
    }
}

/// A path that is ours as long as it names the same file.
pub(super) struct Bound {
    /// Absolute, so that it stays the same file when the process changes its directory.
    path: PathBuf,
    file: Option<File>,
}

/// Device and inode.
type File = (u64, u64);

impl Bound {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if self.file.is_some() && self.file == file(&self.path) {
            _ = fs::remove_file(&self.path);
        }
    }
}

fn file(path: &Path) -> Option<File> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// A socket bound to `path`, which does not listen yet.
pub(super) fn bind(path: &Path, replace_stale: bool) -> Result<(Arc<OwnedFd>, Bound), ListenError> {
    let failed = |errno| Error::os(Doing::Bind, errno);
    let address = socket::at(path, Doing::Bind)?;
    let fd = socket::stream(AddressFamily::UNIX).map_err(failed)?;
    match rustix::net::bind(&fd, &address) {
        Err(Errno::ADDRINUSE) => {
            let before = file(path);
            let kind = who_is_there(path)?;
            // Looked at once more, lest a listener be removed that has come meanwhile.
            if kind != ListenErrorKind::Stale || !replace_stale || file(path) != before {
                return Err(ListenError::at(path, kind));
            }
            fs::remove_file(path).map_err(|e| Error::from(e).doing(Doing::Bind))?;
            rustix::net::bind(&fd, &address).map_err(failed)?;
        }
        bound => bound.map_err(failed)?,
    }
    let file = file(path);
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    Ok((Arc::new(fd), Bound { path, file }))
}

/// A socket of another type is refused by one that is alive, without being a connection to it: that might be the only one that is waited for
/// there.
fn who_is_there(path: &Path) -> Result<ListenErrorKind, Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Ok(ListenErrorKind::NotASocket);
        }
        _ => {}
    }
    let answer = UnixDatagram::unbound().and_then(|probe| probe.connect(path));
    match answer.map_err(|e| (Errno::from_io_error(&e), e)) {
        Ok(()) | Err((Some(Errno::PROTOTYPE), _)) => Ok(ListenErrorKind::InUse),
        Err((Some(Errno::CONNREFUSED), _)) => Ok(ListenErrorKind::Stale),
        Err((_, e)) => Err(Error::from(e).doing(Doing::Connect)),
    }
}
