//! No runtime is needed: a thread of async-io's own is always there.

mod support;

use std::os::unix::net::UnixStream;
use std::thread;

use support::backend::{Flow as _, FlowExt as _, WriteError, connect, socketpair};
use support::{park, put, rest, run};

/// Waits on another thread's work.
fn wait_for(count: &support::Count) {
    run(support::woken(count));
}

#[test]
fn a_flow_needs_no_runtime() {
    let (ours, peer) = UnixStream::pair().unwrap();
    let flow = connect(ours).unwrap();
    let (mut read, mut close) = (flow.read(), flow.close());
    let (reader, closer) = (park(&mut read), park(&mut close));
    put(&peer, b"x");
    wait_for(&reader);
    assert_eq!(run(&mut read).unwrap().as_deref(), Some(&b"x"[..]));
    drop(peer);
    wait_for(&closer);
    run(&mut close).unwrap();
}

#[test]
fn abort_and_drop_work_on_any_thread() {
    for abort in [true, false] {
        let (ours, peer) = UnixStream::pair().unwrap();
        let flow = connect(ours).unwrap();
        run(flow.write("sent")).unwrap();
        park(&mut flow.close());
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
fn a_flow_moves_between_threads() {
    run(async {
        let (a, b) = socketpair().unwrap();
        let echo = smol::spawn(async move {
            while let Some(chunk) = b.read().await? {
                b.write(chunk).await?;
            }
            b.close().await
        });
        let sum = async_std::task::spawn(async move {
            let data = support::pattern(1 << 20);
            let sent = a.write(data.clone());
            let received = async {
                let mut got = Vec::new();
                while got.len() < data.len() {
                    got.extend(a.read().await?.unwrap());
                }
                Ok::<_, WriteError<support::backend::Error>>(got)
            };
            let (sent, got) = futures_lite::future::zip(sent, received).await;
            sent.unwrap();
            assert!(got.unwrap() == data);
            a.close().await.unwrap();
        });
        sum.await;
        echo.await.unwrap();
    });
}
