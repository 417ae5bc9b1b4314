//! One cycle: open a pair, transfer in both directions, close both ends.

use std::hint::black_box;

use flow_core::{Flow, FlowExt as _};
use flow_testkit::pattern::Pattern;
use futures_lite::future::try_zip;

use crate::Failure;
use crate::args::Leak;
use crate::backend::Backend;

/// Of so many cycles one carries more than a socket holds.
const RARELY: u64 = 64;
const MUCH: usize = 300_000;
const LENGTHS: [usize; 4] = [1, 100, 5000, 40];

/// How often a broken variant leaves a descriptor or a thread behind, of which there are few.
const LEAKS: u64 = 100;

/// One cycle. Whatever it opens is closed when it is done.
pub(crate) async fn cycle<B: Backend>(number: u64, leak: Option<Leak>) -> Result<(), Failure> {
    let (a, b) = B::socketpair()?;
    let len = match number % RARELY {
        0 => MUCH,
        rest => LENGTHS[rest as usize % LENGTHS.len()],
    };
    let (there, back) = (Pattern(1), Pattern(2));
    try_zip(talk(&a, there, back, len), talk(&b, back, there, len)).await?;
    match leak {
        Some(Leak::Flow) if number.is_multiple_of(LEAKS) => std::mem::forget(a),
        Some(Leak::Memory) => std::mem::forget(black_box(vec![1_u8; 4096])),
        Some(Leak::Thread) if number.is_multiple_of(LEAKS) => {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        _ => {}
    }
    Ok(())
}

/// Sends and receives at the same time, then closes.
async fn talk<F: Flow>(flow: &F, out: Pattern, back: Pattern, len: usize) -> Result<(), Failure> {
    let send = async { Ok(flow.write(out.bytes(0, len)).await?) };
    try_zip(send, receive(flow, back, len)).await?;
    flow.close().await?;
    Ok(())
}

/// Receives so many bytes of a pattern.
async fn receive<F: Flow>(flow: &F, pattern: Pattern, len: usize) -> Result<(), Failure> {
    let mut at = 0;
    while at < len {
        let Some(chunk) = flow.read().await? else {
            return Err(format!("the end came after {at} of {len} bytes").into());
        };
        if let Some(fault) = pattern.diagnose(at as u64, &chunk) {
            return Err(fault.into());
        }
        at += chunk.len();
    }
    Ok(())
}
