//! Many flows on one thread, through their whole life, and descriptors with high numbers.

use std::io::{Read as _, Write as _};
use std::net::Shutdown as How;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;

use crate::support;
use crate::support::backend::{
    FdFlow, FlowExt as _, Shutdown, UnixFlowListener, connect_tcp, connect_unix, listen_tcp,
    listen_unix, socketpair,
};
use crate::support::{
    KINDS, Peer, WATCHDOG, again, alone, as_many_descriptors_as_allowed, census, finish,
    hold_numbers_below, leaves_nothing, park, put, rest, run, say, settle, task, woken,
};

/// How many flows there are to be.
const MANY: usize = 10_000;
/// What runtimes and the test itself need.
const OTHERS: usize = 100;

/// How many bytes go each way at first, and how many more after our end.
const FIRST: usize = 300;
const MORE: usize = 100;

/// Byte `offset` of the stream that one of the flows carries in one direction: no two streams are alike.
fn byte(flow: usize, direction: usize, offset: usize) -> u8 {
    let mixed = (flow * 2 + direction).wrapping_mul(0x9e37_79b1) ^ offset.wrapping_mul(0x85eb_ca77);
    (mixed ^ (mixed >> 13) ^ (mixed >> 21)) as u8
}

fn bytes(flow: usize, direction: usize, offsets: std::ops::Range<usize>) -> Vec<u8> {
    offsets.map(|at| byte(flow, direction, at)).collect()
}

const TO_FLOW: usize = 0;
const TO_PEER: usize = 1;

/// The process that holds the peers: two ends of each flow would need twice the descriptors.
struct Peers {
    child: Child,
    control: UnixStream,
}

impl Peers {
    /// Has the peers do the next thing, and waits until they have.
    fn tell(&mut self, step: u8) {
        self.begin(step);
        self.done(step);
    }

    fn begin(&mut self, step: u8) {
        self.control.write_all(&[step]).unwrap();
    }

    fn done(&mut self, step: u8) {
        let mut answer = [0];
        let answered = self.control.read_exact(&mut answer);
        assert!(
            answered.is_ok() && answer == [step],
            "the peers failed at {:?}",
            step as char
        );
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        _ = self.control.shutdown(How::Both);
        _ = self.child.wait();
    }
}

/// The steps of the peers.
const ONE_SENDS: u8 = b'1';
const ALL_SEND: u8 = b's';
const RECEIVE_UP_TO_THE_END: u8 = b'r';
const SEND_MORE_AND_HALF_OF_THEM_END: u8 = b'm';
const THE_OTHERS_END: u8 = b'e';

#[test]
fn ten_thousand_flows_live_on_one_thread() {
    let _alone = alone();
    let allowed = as_many_descriptors_as_allowed();
    // Half of the closes have to wait, and may make a descriptor each.
    let many = MANY.min((allowed - OTHERS) * 2 / 3);
    if many < MANY {
        say(&format!(
            "{MANY} flows: this process may have {allowed} descriptors only, so there were {many} flows"
        ));
    }
    run(async {
        drop(socketpair().unwrap());
        settle().await;
        let before = census();
        live(many).await;
        settle().await;
        let left = census();
        assert_eq!(left, before, "descriptors were left");
    });
}

async fn live(many: usize) {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("flow-many-{}", std::process::id()));
    let listener = listen_unix(&path).unwrap();
    let task = format!("{many} {}", path.display());
    let child = again("scale::peers_of_many_flows", &task).spawn().unwrap();
    let control = accept_bare(&listener).await;
    control.set_read_timeout(Some(WATCHDOG)).unwrap();
    let mut peers = Peers { child, control };
    let mut flows = Vec::with_capacity(many);
    for _ in 0..many {
        flows.push(finish(&mut Box::pin(listener.accept())).await.unwrap().0);
    }

    // All wait, and nothing wakes any of them.
    let mut reads: Vec<_> = flows.iter().map(|flow| flow.read()).collect();
    let counts: Vec<_> = reads.iter_mut().map(park).collect();
    settle().await;
    let woken_now = || counts.iter().filter(|count| count.get() > 0).count();
    assert_eq!(woken_now(), 0, "idle flows were woken");
    // One has something, and it alone is woken.
    let one = many / 2;
    peers.tell(ONE_SENDS);
    woken(&counts[one]).await;
    settle().await;
    assert_eq!(woken_now(), 1, "bytes for one flow woke others");
    // All have something at once.
    peers.tell(ALL_SEND);
    for (index, mut read) in reads.into_iter().enumerate() {
        woken(&counts[index]).await;
        let mut got = finish(&mut read).await.unwrap().expect("bytes").to_vec();
        while got.len() < FIRST {
            got.extend(finish(&mut flows[index].read()).await.unwrap().unwrap());
        }
        let sent = bytes(index, TO_FLOW, 0..FIRST);
        assert!(got == sent, "flow {index} got other bytes");
        assert_eq!(
            counts[index].get(),
            1,
            "flow {index} was woken more than once"
        );
    }
    drop(counts);
    for (index, flow) in flows.iter().enumerate() {
        let data = bytes(index, TO_PEER, 0..FIRST);
        finish(&mut flow.write(data)).await.unwrap();
        finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
    }
    peers.tell(RECEIVE_UP_TO_THE_END);
    // Half-closed, they still receive.
    peers.tell(SEND_MORE_AND_HALF_OF_THEM_END);
    for (index, flow) in flows.iter().enumerate() {
        let mut got = vec![];
        while got.len() < MORE {
            got.extend(finish(&mut flow.read()).await.unwrap().unwrap());
        }
        let sent = bytes(index, TO_FLOW, FIRST..FIRST + MORE);
        assert!(got == sent, "flow {index} got other bytes at the end");
    }
    close(&flows, &mut peers).await;
}

/// Half of the peers have ended already; the others end while their flows wait for it.
async fn close(flows: &[FdFlow], peers: &mut Peers) {
    let mut closes: Vec<_> = flows.iter().map(|flow| flow.close()).collect();
    let mut counts = vec![];
    for (index, close) in closes.iter_mut().enumerate() {
        if index % 2 == 0 {
            finish(close).await.unwrap();
        } else {
            counts.push(park(close));
        }
    }
    settle().await;
    let woken = counts.iter().filter(|count| count.get() > 0).count();
    assert_eq!(woken, 0, "waiting closes were woken");
    peers.tell(THE_OTHERS_END);
    for close in closes.iter_mut().skip(1).step_by(2) {
        finish(close).await.unwrap();
    }
    for flow in flows {
        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
    }
}

/// The first connection is not for a flow.
async fn accept_bare(listener: &UnixFlowListener) -> UnixStream {
    let flow = finish(&mut Box::pin(listener.accept())).await.unwrap().0;
    let socket = UnixStream::try_from(flow).unwrap();
    socket.set_nonblocking(false).unwrap();
    socket
}

#[test]
#[ignore = "the other process of `ten_thousand_flows_live_on_one_thread`"]
fn peers_of_many_flows() {
    let task = task();
    let (many, path) = task.split_once(' ').unwrap();
    let many: usize = many.parse().unwrap();
    as_many_descriptors_as_allowed();
    let connected = || UnixStream::connect(path).unwrap();
    let mut control = connected();
    let peers: Vec<_> = (0..many).map(|_| connected()).collect();
    let one = many / 2;
    let mut step = [0];
    // Up to the end, which comes also when the other process fails.
    while matches!(control.read(&mut step), Ok(1)) {
        // Backwards, so that no order is kept by chance.
        for (index, mut peer) in peers.iter().enumerate().rev() {
            match step[0] {
                ONE_SENDS if index == one => put(peer, &bytes(index, TO_FLOW, 0..1)),
                ONE_SENDS => {}
                ALL_SEND => {
                    let rest = usize::from(index == one)..FIRST;
                    put(peer, &bytes(index, TO_FLOW, rest));
                }
                RECEIVE_UP_TO_THE_END => {
                    peer.set_read_timeout(Some(WATCHDOG)).unwrap();
                    let mut got = vec![];
                    peer.read_to_end(&mut got).unwrap();
                    let sent = bytes(index, TO_PEER, 0..FIRST);
                    assert!(got == sent, "peer {index} got other bytes");
                }
                SEND_MORE_AND_HALF_OF_THEM_END => {
                    put(peer, &bytes(index, TO_FLOW, FIRST..FIRST + MORE));
                    if index % 2 == 0 {
                        peer.shutdown(How::Write).unwrap();
                    }
                }
                _ => {
                    if index % 2 == 1 {
                        peer.shutdown(How::Write).unwrap();
                    }
                }
            }
        }
        control.write_all(&step).unwrap();
    }
}

#[test]
fn numbers_above_1024_work() {
    works_above(1024);
}

#[test]
fn numbers_above_65536_work() {
    works_above(65536);
}

fn works_above(floor: usize) {
    leaves_nothing(async || {
        let allowed = as_many_descriptors_as_allowed();
        if allowed < floor + OTHERS {
            say(&format!(
                "descriptor numbers above {floor}: this process may have {allowed} descriptors only"
            ));
            return;
        }
        let floor = i32::try_from(floor).unwrap();
        let _held = hold_numbers_below(floor);
        for kind in KINDS {
            let (ours, theirs) = (kind.pair)();
            every_operation(kind.name, ours.flow(), theirs, floor).await;
        }
        let (a, b) = socketpair().unwrap();
        is_above(&a, floor);
        is_above(&b, floor);
        let tcp = listen_tcp("127.0.0.1:0").await.unwrap();
        let ours = connect_tcp(tcp.local_addr().unwrap()).await.unwrap();
        let theirs = tcp.accept().await.unwrap().0;
        is_above(&ours, floor);
        every_operation("accepted TCP", theirs, bare(ours), floor).await;
        let path = std::env::temp_dir().join(format!("flow-high-{}", std::process::id()));
        let unix = listen_unix(&path).unwrap();
        let ours = connect_unix(&path).await.unwrap();
        let theirs = unix.accept().await.unwrap().0;
        is_above(&ours, floor);
        every_operation("accepted Unix", theirs, bare(ours), floor).await;
    });
}

fn is_above(flow: &FdFlow, floor: i32) {
    let number = flow.with_fd(|fd| fd.as_raw_fd()).unwrap();
    assert!(number > floor, "{number} is not above {floor}");
}

/// The descriptor of a flow, as a bare peer.
fn bare(flow: FdFlow) -> Peer {
    let fd: OwnedFd = flow.into_fd().unwrap();
    rustix::io::ioctl_fionbio(&fd, false).unwrap();
    Peer::new(fd)
}

/// More than fits into the buffers of any kind.
const LARGE: usize = 16 << 20;
/// More than a close without a descriptor of its own would read ahead.
const UNREAD: usize = 100_000;

async fn every_operation(kind: &str, flow: FdFlow, peer: Peer, floor: i32) {
    is_above(&flow, floor);
    let mut read = flow.read();
    let count = park(&mut read);
    put(&peer, b"to the flow");
    woken(&count).await;
    let got = finish(&mut read).await.unwrap();
    assert_eq!(got.as_deref(), Some(&b"to the flow"[..]), "{kind}");

    finish(&mut flow.write("written, ")).await.unwrap();
    finish(&mut flow.writev(["in ", "parts, "])).await.unwrap();
    let large = support::pattern(LARGE);
    let sent = [b"written, in parts, ", &large[..]].concat();
    let mut write = flow.write(large);
    park(&mut write);
    let mut flush = flow.flush();
    park(&mut flush);
    let len = sent.len();
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; len];
        (&peer).read_exact(&mut got).unwrap();
        (peer, got)
    });
    finish(&mut write).await.unwrap();
    finish(&mut flush).await.unwrap();
    let (peer, got) = reader.join().unwrap();
    assert!(got == sent, "{kind}: the peer got other bytes");
    finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
    assert_eq!(rest(&peer).unwrap(), b"", "{kind}");

    // Only a descriptor that watches for the end alone sees it past so much.
    let unread = support::pattern(UNREAD);
    put(&peer, &unread);
    let mut close = flow.close();
    let count = park(&mut close);
    peer.end();
    woken(&count).await;
    finish(&mut close).await.unwrap();
    let mut got = vec![];
    while let Some(chunk) = finish(&mut flow.read()).await.unwrap() {
        got.extend(chunk);
    }
    assert!(got == unread, "{kind}: unread bytes were lost");
}
