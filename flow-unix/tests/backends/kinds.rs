//! Every kind of descriptor that is no socket: how its bytes move, how its ends show, what it cannot do. The far ends are bare descriptors.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, fcntl_getfl, mkfifoat, open};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::support::backend::{
    ConnectErrorKind, ErrorKind, FlowExt as _, Shutdown, WriteError, connect, from_pair,
};
use crate::support::{finish, park, pattern, put, run, settle, status, woken};

fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC).unwrap()
}

/// A FIFO in a folder that is gone with it.
fn fifo() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    (folder, path)
}

fn end_of(path: &std::path::Path, flags: OFlags) -> OwnedFd {
    open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// Master and slave, the latter raw: bytes go through as they are.
fn pty(flags: OpenptFlags) -> (OwnedFd, OwnedFd) {
    let master =
        openpt(flags | OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = open(
        name,
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .unwrap();
    let mut raw = tcgetattr(&slave).unwrap();
    raw.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &raw).unwrap();
    (master, slave)
}

#[test]
fn reading_a_pipe() {
    run(async {
        let (near, far) = pipe();
        let before = status(near.as_fd());
        let keep = near.try_clone().unwrap();
        let flow = connect(near).unwrap();
        let mut read = flow.read();
        let reader = park(&mut read);
        put(File::from(far.try_clone().unwrap()), b"data");
        woken(&reader).await;
        assert_eq!(
            finish(&mut read).await.unwrap().as_deref(),
            Some(&b"data"[..])
        );
        assert!(matches!(flow.write("no").await, Err(WriteError::Closed)));
        let mut close = flow.close();
        let closer = park(&mut close);
        settle().await;
        assert_eq!(closer.get(), 0, "the writer is still there");
        drop(far);
        woken(&closer).await;
        finish(&mut close).await.unwrap();
        assert_eq!(flow.read().await.unwrap(), None);
        assert_eq!(status(keep.as_fd()), before);
    });
}

#[test]
fn writing_a_pipe() {
    run(async {
        let (far, near) = pipe();
        let flow = connect(near).unwrap();
        let data = pattern(300_000);
        let mut write = flow.write(data.clone());
        let writer = park(&mut write);
        let mut far = File::from(far);
        let mut got = vec![0; 50_000];
        far.read_exact(&mut got).unwrap();
        woken(&writer).await;
        let rest = std::thread::spawn(move || {
            far.read_to_end(&mut got).unwrap();
            got
        });
        finish(&mut write).await.unwrap();
        assert_eq!(
            flow.read().await.unwrap(),
            None,
            "there is nothing to read from"
        );
        flow.shutdown(Shutdown::Write).await.unwrap();
        assert!(rest.join().unwrap() == data);
        flow.close().await.unwrap();
    });
}

#[test]
fn a_pipe_whose_reader_is_gone_is_closed() {
    run(async {
        let (far, near) = pipe();
        let flow = connect(near).unwrap();
        let mut write = flow.write(pattern(300_000));
        let writer = park(&mut write);
        drop(far);
        woken(&writer).await;
        assert!(matches!(finish(&mut write).await, Err(WriteError::Closed)));
    });
}

#[test]
fn a_fifo_before_its_first_writer_has_no_end() {
    run(async {
        let (_folder, path) = fifo();
        let flow = connect(end_of(&path, OFlags::RDONLY | OFlags::NONBLOCK)).unwrap();
        let mut read = flow.read();
        let reader = park(&mut read);
        settle().await;
        assert_eq!(reader.get(), 0);
        let writer = end_of(&path, OFlags::WRONLY);
        put(File::from(writer), b"first");
        woken(&reader).await;
        assert_eq!(
            finish(&mut read).await.unwrap().as_deref(),
            Some(&b"first"[..])
        );
        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
        // A second writer comes too late: the end is final.
        let second = end_of(&path, OFlags::WRONLY);
        put(File::from(second), b"second");
        assert_eq!(flow.read().await.unwrap(), None);
    });
}

#[test]
fn a_fifo_whose_writers_left_before_has_its_bytes_and_an_end() {
    run(async {
        let (_folder, path) = fifo();
        let reader = end_of(&path, OFlags::RDONLY | OFlags::NONBLOCK);
        put(File::from(end_of(&path, OFlags::WRONLY)), b"early");
        let flow = connect(reader).unwrap();
        assert_eq!(
            finish(&mut flow.read()).await.unwrap().as_deref(),
            Some(&b"early"[..])
        );
        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
    });
}

#[test]
fn both_ends_of_a_pseudoterminal() {
    for flags in [
        OpenptFlags::empty(),
        OpenptFlags::from_bits_retain(OFlags::NONBLOCK.bits()),
    ] {
        run(async {
            let (master, slave) = pty(flags);
            let master = connect(master).unwrap();
            let before = status(slave.as_fd());
            let far = File::from(slave);
            let mut read = master.read();
            let reader = park(&mut read);
            put(&far, b"from the slave");
            woken(&reader).await;
            assert_eq!(
                finish(&mut read).await.unwrap().as_deref(),
                Some(&b"from the slave"[..])
            );
            finish(&mut master.write("to the slave")).await.unwrap();
            let mut got = [0; 12];
            (&far).read_exact(&mut got).unwrap();
            assert_eq!(&got, b"to the slave");
            assert_eq!(status(far.as_fd()), before);
            let refused = master.shutdown(Shutdown::Write).await;
            assert!(
                matches!(&refused, Err(WriteError::Transport(e)) if e.kind() == ErrorKind::Unsupported),
                "{refused:?}"
            );
            drop(far);
            assert_eq!(finish(&mut master.read()).await.unwrap(), None);
        });
    }
}

#[test]
fn the_slave_of_a_pseudoterminal() {
    run(async {
        let (master, slave) = pty(OpenptFlags::empty());
        let keep = slave.try_clone().unwrap();
        let before = status(keep.as_fd());
        let flow = connect(slave).unwrap();
        assert_eq!(status(keep.as_fd()), before);
        drop(keep);
        let far = File::from(master);
        let mut read = flow.read();
        let reader = park(&mut read);
        put(&far, b"typed");
        woken(&reader).await;
        assert_eq!(
            finish(&mut read).await.unwrap().as_deref(),
            Some(&b"typed"[..])
        );
        let data = pattern(100_000);
        let mut write = flow.write(data.clone());
        park(&mut write);
        let reading = std::thread::spawn(move || {
            let mut got = vec![0; 100_000];
            (&far).read_exact(&mut got).unwrap();
            (far, got)
        });
        finish(&mut write).await.unwrap();
        let (far, got) = reading.join().unwrap();
        assert!(got == data);
        finish(&mut flow.close()).await.unwrap();
        drop(far);
        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
    });
}

#[test]
fn devices() {
    run(async {
        let device = |name: &str| {
            let file = File::options().read(true).write(true).open(name).unwrap();
            connect(file).unwrap()
        };
        let null = device("/dev/null");
        assert_eq!(null.read().await.unwrap(), None);
        null.write(pattern(1 << 20)).await.unwrap();
        null.close().await.unwrap();
        let zero = device("/dev/zero");
        let chunk = zero.read().await.unwrap().unwrap();
        assert!(chunk.iter().all(|&byte| byte == 0));
        let full = device("/dev/full");
        match full.write("no").await {
            Err(WriteError::Transport(e)) => {
                assert_eq!(
                    e.raw_os_error(),
                    Some(rustix::io::Errno::NOSPC.raw_os_error())
                );
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn regular_files() {
    run(async {
        let mut file = tempfile::tempfile().unwrap();
        let flow = connect(file.try_clone().unwrap()).unwrap();
        let data = pattern(1 << 20);
        finish(&mut flow.write(data.clone())).await.unwrap();
        finish(&mut flow.writev([&b"and "[..], b"more"]))
            .await
            .unwrap();
        finish(&mut flow.close()).await.unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let flow = connect(file).unwrap();
        let mut got = Vec::new();
        while let Some(chunk) = finish(&mut flow.read()).await.unwrap() {
            got.extend_from_slice(&chunk);
        }
        assert!(got[..data.len()] == data && &got[data.len()..] == b"and more");
        finish(&mut flow.close()).await.unwrap();
        flow.into_fd().unwrap();
    });
}

#[test]
fn two_pipes_are_one_flow() {
    run(async {
        let ((near_in, far_out), (far_in, near_out)) = (pipe(), pipe());
        let flow = from_pair(near_in, near_out).unwrap();
        finish(&mut flow.write("out")).await.unwrap();
        flow.shutdown(Shutdown::Write).await.unwrap();
        let mut got = String::new();
        File::from(far_in).read_to_string(&mut got).unwrap();
        assert_eq!(got, "out");
        put(File::from(far_out), b"in");
        assert_eq!(
            finish(&mut flow.read()).await.unwrap().as_deref(),
            Some(&b"in"[..])
        );
        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
        finish(&mut flow.close()).await.unwrap();

        let (read, write) = pipe();
        let numbers = (write.as_raw_fd(), read.as_raw_fd());
        let swapped = from_pair(write, read).unwrap_err();
        assert_eq!(swapped.kind(), ConnectErrorKind::WrongWay);
        let (write, read) = swapped.into_fds();
        assert_eq!((write.as_raw_fd(), read.as_raw_fd()), numbers);
        let flow = from_pair(read, write).unwrap();
        let (read, write) = flow.into_fds().unwrap();
        assert!(!fcntl_getfl(&read).unwrap().contains(OFlags::NONBLOCK));
        File::from(write).write_all(b"x").unwrap();
        let mut got = [0; 1];
        File::from(read).read_exact(&mut got).unwrap();
    });
}
