//! In which order a listener lets go of its path and its socket.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use flow_unix::{Attempt, Direction, Error, Interest, Readiness};

/// Notes when it is dropped whether the path of its socket is there.
struct Noting(Arc<OwnedFd>);

static PATH_WAS_THERE: AtomicBool = AtomicBool::new(false);

impl Readiness for Noting {
    type Runtime = ();

    const WAITS_FIRST: bool = false;

    fn runtime() -> Result<(), Error> {
        Ok(())
    }

    fn register((): &(), fd: Arc<OwnedFd>, _: Interest) -> Result<Self, Error> {
        Ok(Self(fd))
    }

    fn poll_io<T>(
        &self,
        _: Direction,
        _: &mut Context<'_>,
        _: impl FnMut() -> Attempt<T>,
    ) -> Poll<Result<T, Error>> {
        Poll::Pending
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        let socket = UnixListener::from(self.0.try_clone().unwrap());
        let address = socket.local_addr().unwrap();
        let path = address.as_pathname().unwrap();
        PATH_WAS_THERE.store(path.exists(), Ordering::Relaxed);
    }
}

/// Once the socket is closed, a stranger's may have its inode.
#[test]
fn the_path_is_removed_while_the_socket_is_open() {
    let path = std::env::temp_dir().join(format!("flow-order-{}", std::process::id()));
    _ = std::fs::remove_file(&path);
    drop(flow_unix::UnixListener::<Noting>::bind(&path).unwrap());
    assert!(!PATH_WAS_THERE.load(Ordering::Relaxed));
    assert!(!path.exists());
}
