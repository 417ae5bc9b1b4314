//! A flow comes apart only while nothing would be lost by it, and one that does not is as it was.

use flow_core::memory::{self, MemoryError};
use flow_core::{Bytes, Flow as _, FlowExt, WriteError, from_async_fns};

use crate::step::{Wakes, poll};

#[test]
fn a_fresh_flow_comes_apart() {
    let (flow, _wire) = memory::with_wire(4);
    assert!(flow.into_parts().is_ok());
}

#[test]
fn an_aborted_flow_stays_whole() {
    let (flow, _wire) = memory::with_wire(4);
    flow.abort();
    assert!(flow.into_parts().is_err());
}

#[test]
fn a_flow_with_an_unfinished_write_stays_whole() {
    let (flow, mut wire) = memory::with_wire(4);
    assert!(poll(&Wakes::new(), &mut flow.write("sixteen and more")).is_pending());
    let flow = flow.into_parts().expect_err("bytes would be lost");
    let mut seen = vec![];
    let mut buf = [0; 16];
    while let memory::Received::Data(count) = wire.recv(&mut buf) {
        seen.extend_from_slice(&buf[..count]);
        let _ = poll(&Wakes::new(), &mut flow.flush());
    }
    assert_eq!(seen, b"sixteen and more");
    assert!(flow.into_parts().is_ok());
}

#[test]
fn a_flow_with_a_failed_write_stays_whole() {
    let (flow, wire) = memory::with_wire(4);
    drop(wire);
    assert!(poll(&Wakes::new(), &mut flow.write("x")).is_ready());
    assert!(flow.into_parts().is_err());
}

#[test]
fn a_flow_with_input_read_ahead_stays_whole() {
    let mut chunks = vec![Bytes::from_static(b"ahead")];
    let flow = from_async_fns(
        move || {
            let chunk = chunks.pop();
            async move {
                match chunk {
                    Some(chunk) => Ok::<_, MemoryError>(Some(chunk)),
                    None => std::future::pending().await,
                }
            }
        },
        async |_| Ok::<_, WriteError<MemoryError>>(()),
        async || Ok::<_, WriteError<MemoryError>>(()),
    );
    assert!(poll(&Wakes::new(), &mut flow.close()).is_pending());
    let flow = flow.into_parts().expect_err("bytes would be lost");
    let read = poll(&Wakes::new(), &mut flow.read());
    assert!(read.is_ready(), "what was read ahead is still there");
    assert!(flow.into_parts().is_ok());
}
