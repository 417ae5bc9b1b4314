//! Without a runtime, with one that cannot wait for descriptors, and with one that has ended.

mod support;

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::task::Poll;
use std::thread;

use support::backend::{
    ConnectErrorKind, ErrorKind, FdFlow, Flow as _, FlowExt as _, Shutdown, WriteError, connect,
    connect_tcp, connect_unix, listen_tcp, listen_unix, socketpair,
};
use support::{Count, KINDS, Kind, park, poll, put, rest, runtime};

/// Polls once what needs no second time.
fn now<T>(future: impl Future<Output = T>) -> T {
    match poll(&mut Box::pin(future), &Count::new()) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("should not wait"),
    }
}

fn nothing_works() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let number = ours.as_raw_fd();
    let error = connect(ours).unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::NoRuntime);
    assert!(error.to_string().contains("runtime"), "{error}");
    assert_eq!(error.into_fd().as_raw_fd(), number);
    assert_eq!(socketpair().unwrap_err().kind(), ErrorKind::NoRuntime);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(
        now(connect_tcp(address)).unwrap_err().kind(),
        ErrorKind::NoRuntime
    );
    assert_eq!(
        now(listen_tcp("127.0.0.1:0")).unwrap_err().kind(),
        ErrorKind::NoRuntime
    );
    let path = std::env::temp_dir().join(format!("flow-runtime-{}", std::process::id()));
    drop(listen_unix(&path).unwrap_err());
    assert!(
        !path.exists(),
        "a listener that never was left its path behind"
    );
    drop(
        std::os::unix::net::UnixListener::bind(&path).map(|_listener| {
            assert_eq!(
                now(connect_unix(&path)).unwrap_err().kind(),
                ErrorKind::NoRuntime
            );
        }),
    );
    _ = std::fs::remove_file(&path);
}

#[test]
fn outside_of_a_runtime_is_an_error() {
    nothing_works();
    assert_eq!(
        now(connect_tcp("localhost:1")).unwrap_err().kind(),
        ErrorKind::NoRuntime
    );
}

#[test]
fn a_runtime_without_io_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { nothing_works() });
}

/// A runtime of several threads.
fn several() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_io()
        .build()
        .unwrap()
}

/// A flow, its peer, and the runtime they live on.
fn living() -> (tokio::runtime::Runtime, FdFlow, UnixStream) {
    let runtime = runtime();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let flow = runtime.block_on(async { connect(ours) }).unwrap();
    (runtime, flow, theirs)
}

#[test]
fn parked_operations_end_with_the_runtime() {
    let (runtime, flow, _peer) = living();
    let (mut read, mut write, mut close) =
        (flow.read(), flow.write(vec![0; 1 << 20]), flow.close());
    let (reader, writer) = (park(&mut read), park(&mut write));
    drop(runtime);
    assert_eq!(
        (reader.get(), writer.get()),
        (1, 1),
        "somebody was not woken"
    );
    assert_eq!(now(&mut read).unwrap_err().kind(), ErrorKind::RuntimeGone);
    for _ in 0..3 {
        assert_eq!(now(flow.read()).unwrap_err().kind(), ErrorKind::RuntimeGone);
    }
    let Err(WriteError::Transport(error)) = now(&mut write) else {
        panic!("another error")
    };
    assert_eq!(error.kind(), ErrorKind::RuntimeGone);
    now(&mut close).unwrap_err();
}

#[test]
fn a_parked_close_ends_with_the_runtime() {
    let (runtime, flow, peer) = living();
    put(&peer, b"unread");
    let mut close = flow.close();
    let closer = park(&mut close);
    drop(runtime);
    assert!(closer.get() > 0, "nobody was woken");
    // It can no longer be waited for; what matters is that nobody hangs.
    let polled = poll(&mut close, &Count::new());
    assert!(polled.is_ready(), "{polled:?}");
}

/// What waits when the runtime ends.
#[derive(Clone, Copy, Debug)]
enum Parked {
    Read,
    TakenWrite,
    WriteInLine,
    Flush,
    Shutdown,
    CloseThatFlushes,
    CloseThatWaitsForThePeer,
}

const PARKED: [Parked; 7] = [
    Parked::Read,
    Parked::TakenWrite,
    Parked::WriteInLine,
    Parked::Flush,
    Parked::Shutdown,
    Parked::CloseThatFlushes,
    Parked::CloseThatWaitsForThePeer,
];

type Call<'f> = Box<dyn Future<Output = Result<(), Option<ErrorKind>>> + Unpin + 'f>;

/// Only the kind of the error; `None` is `Closed`.
fn call<'f, T: 'f>(
    call: impl Future<Output = Result<T, WriteError<support::backend::Error>>> + 'f,
) -> Call<'f> {
    Box::new(Box::pin(async {
        match call.await {
            Ok(_) => Ok(()),
            Err(WriteError::Transport(e)) => Err(Some(e.kind())),
            Err(_) => Err(None),
        }
    }))
}

impl Parked {
    /// The calls that wait, the one in question last.
    fn calls(self, flow: &FdFlow) -> Vec<Call<'_>> {
        let read = || call(async { Ok(flow.read().await?) });
        let taken = || call(flow.write(vec![0; 16 << 20]));
        match self {
            Self::Read => vec![read()],
            Self::TakenWrite => vec![taken()],
            Self::WriteInLine => vec![taken(), call(flow.write("x"))],
            Self::Flush => vec![taken(), call(flow.flush())],
            Self::Shutdown => vec![taken(), call(flow.shutdown(Shutdown::Write))],
            Self::CloseThatFlushes => vec![taken(), call(flow.close())],
            Self::CloseThatWaitsForThePeer => vec![call(flow.close())],
        }
    }
}

#[test]
fn whatever_waits_ends_with_the_runtime_on_any_thread() {
    for kind in KINDS {
        for threads in [false, true] {
            for elsewhere in [false, true] {
                for parked in PARKED {
                    let what = format!(
                        "{} {parked:?}, several threads: {threads}, dropped elsewhere: {elsewhere}",
                        kind.name
                    );
                    ends_with_the_runtime(kind, parked, threads, elsewhere, &what);
                }
            }
        }
    }
}

fn ends_with_the_runtime(kind: Kind, parked: Parked, threads: bool, elsewhere: bool, what: &str) {
    let runtime = if threads { several() } else { runtime() };
    let (ours, peer) = (kind.pair)();
    let flow = runtime.block_on(async { ours.flow() });
    let mut calls = parked.calls(&flow);
    let counts: Vec<_> = calls.iter_mut().map(park).collect();
    if elsewhere {
        thread::spawn(move || drop(runtime)).join().unwrap();
    } else {
        drop(runtime);
    }
    // Whoever is woken is asked, and whom an answer wakes in turn, until all have theirs.
    let mut waiting: Vec<_> = calls.iter_mut().zip(counts).enumerate().collect();
    let mut ends = vec![];
    while !waiting.is_empty() {
        let woken = waiting.iter().position(|(_, (_, count))| count.get() > 0);
        let Some(woken) = woken else {
            let asleep: Vec<_> = waiting.iter().map(|(index, _)| index).collect();
            panic!("{what}: nobody wakes the calls {asleep:?}");
        };
        let (index, (mut call, _)) = waiting.remove(woken);
        let count = Count::new();
        match poll(&mut call, &count) {
            Poll::Ready(end) => ends.push((index, end)),
            Poll::Pending => waiting.push((index, (call, count))),
        }
    }
    for (index, end) in ends {
        let is_close = matches!(
            parked,
            Parked::CloseThatFlushes | Parked::CloseThatWaitsForThePeer
        );
        let right = match end {
            Err(Some(kind)) => kind == ErrorKind::RuntimeGone,
            // What was not taken when the end came.
            Err(None) => index > 0 || is_close,
            Ok(()) => false,
        };
        assert!(right, "{what}: call {index} gave {end:?}");
    }
    drop(calls);
    // The flow is of no use any more, and goes without trouble.
    if elsewhere {
        thread::spawn(move || drop(flow)).join().unwrap();
    } else {
        drop(flow);
    }
    // Cut off or ended: the peer is not left waiting.
    _ = rest(&peer);
}

#[test]
fn an_accept_and_a_connect_end_with_the_runtime() {
    for elsewhere in [false, true] {
        let drop_it = |runtime| {
            if elsewhere {
                thread::spawn(move || drop::<tokio::runtime::Runtime>(runtime))
                    .join()
                    .unwrap();
            } else {
                drop(runtime);
            }
        };
        let runtime = runtime();
        let listener = runtime.block_on(listen_tcp("127.0.0.1:0")).unwrap();
        let path = std::env::temp_dir().join(format!("flow-accept-{}", std::process::id()));
        let unix = runtime.block_on(async { listen_unix(&path) }).unwrap();
        let address = listener.local_addr().unwrap();
        let (mut accept, mut other) = (Box::pin(listener.accept()), Box::pin(unix.accept()));
        let counts = [park(&mut accept), park(&mut other)];
        // Dropped first, and not asked to run again.
        let connecting = {
            let _inside = runtime.enter();
            let mut connecting = Box::pin(connect_tcp(address));
            let polled = poll(&mut connecting, &Count::new());
            polled.is_pending().then_some(connecting)
        };
        drop_it(runtime);
        assert!(counts.iter().all(|count| count.get() > 0), "not woken");
        let error = now(&mut accept).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RuntimeGone);
        let error = now(&mut other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RuntimeGone);
        if let Some(mut connecting) = connecting {
            let error = now(&mut connecting).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RuntimeGone);
        }
        drop((accept, other));
        drop((listener, unix));
        assert!(!path.exists(), "the path was left behind");
    }
}

#[test]
fn a_flow_outlives_its_runtime_for_abort_and_drop() {
    for abort in [true, false] {
        let (runtime, flow, peer) = living();
        runtime.block_on(flow.write("sent")).unwrap();
        let mut close = flow.close();
        park(&mut close);
        drop(runtime);
        drop(close);
        thread::spawn(move || {
            if abort {
                flow.abort();
            }
            drop(flow);
        })
        .join()
        .unwrap();
        assert_eq!(rest(peer).unwrap(), b"sent");
    }
}

#[test]
fn a_new_operation_after_the_runtime_fails() {
    let (runtime, flow, peer) = living();
    drop(runtime);
    // The first attempt of each direction needs no runtime.
    put(&peer, b"x");
    assert_eq!(now(flow.read()).unwrap().as_deref(), Some(&b"x"[..]));
    assert_eq!(now(flow.read()).unwrap_err().kind(), ErrorKind::RuntimeGone);
    _ = now(flow.close());
}

#[test]
fn a_flow_may_be_polled_outside_of_its_runtime() {
    let (runtime, flow, peer) = living();
    let (mut read, mut close) = (flow.read(), flow.close());
    let (reader, closer) = (park(&mut read), park(&mut close));
    put(&peer, b"x");
    runtime.block_on(support::woken(&reader));
    assert_eq!(now(&mut read).unwrap().as_deref(), Some(&b"x"[..]));
    drop(peer);
    runtime.block_on(support::woken(&closer));
    now(&mut close).unwrap();
}

#[test]
fn a_flow_moves_between_threads() {
    several().block_on(async {
        let (a, b) = socketpair().unwrap();
        let echo = tokio::spawn(async move {
            while let Some(chunk) = b.read().await? {
                b.write(chunk).await?;
            }
            b.close().await
        });
        let sum = tokio::spawn(async move {
            let data = support::pattern(1 << 20);
            let sent = a.write(data.clone());
            let received = async {
                let mut got = Vec::new();
                while got.len() < data.len() {
                    got.extend(a.read().await?.unwrap());
                }
                Ok::<_, WriteError<support::backend::Error>>(got)
            };
            let (sent, got) = tokio::join!(sent, received);
            sent.unwrap();
            assert!(got.unwrap() == data);
            a.close().await.unwrap();
        });
        sum.await.unwrap();
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn what_a_thread_was_to_do_ends_with_the_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    // The only thread of the pool is busy until it is let go.
    let (let_go, busy) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || busy.recv());
    let file = tempfile::tempfile().unwrap();
    let inside = runtime.enter();
    let waiting = connect(file.try_clone().unwrap()).unwrap();
    let late = connect(tempfile::tempfile().unwrap()).unwrap();
    drop(inside);
    let mut write = waiting.write("perhaps");
    let mut close = waiting.close();
    let (writer, closer) = (park(&mut write), park(&mut close));
    runtime.shutdown_background();
    let_go.send(()).unwrap();
    for (count, what) in [(&writer, "the write"), (&closer, "the close")] {
        let begun = std::time::Instant::now();
        while count.get() == 0 {
            assert!(begun.elapsed() < support::WATCHDOG, "{what} is not woken");
            thread::yield_now();
        }
    }
    // The thread may still have come to it, and the answer says whether it has.
    let written = file.metadata().unwrap().len();
    match poll(&mut write, &writer) {
        Poll::Ready(Ok(())) => assert_eq!(written, 7),
        Poll::Ready(Err(WriteError::Transport(e))) => {
            assert_eq!((e.kind(), written), (ErrorKind::RuntimeGone, 0));
        }
        other => panic!("{other:?}"),
    }
    waiting.abort();
    // What comes now is not run any more.
    match poll(&mut late.write("never"), &Count::new()) {
        Poll::Ready(Err(WriteError::Transport(e))) => assert_eq!(e.kind(), ErrorKind::RuntimeGone),
        other => panic!("{other:?}"),
    }
}
