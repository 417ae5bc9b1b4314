//! The protocol, written once against the trait: send a file, half-close, receive its echo and a digest, close.

use std::time::{Duration, Instant};

use flow_core::{Bytes, Flow, FlowExt, Shutdown, WriteError};
use futures_lite::future;
use sha2::{Digest, Sha256};

use crate::source::Source;

/// A SHA-256.
pub(crate) type Sum = [u8; 32];

/// What the client saw.
pub(crate) struct Seen {
    /// Bytes that came back, the digest not among them.
    pub(crate) echoed: u64,
    /// The digest of the bytes that came back.
    pub(crate) sum: Sum,
    /// The digest that the server sent after them.
    pub(crate) told: Option<Sum>,
    /// The server's end was seen after the digest.
    pub(crate) end: bool,
    /// `close` completed.
    pub(crate) closed: bool,
    pub(crate) took: Duration,
}

/// The client's half. `progress` is told how many bytes came back so far.
pub(crate) async fn ask<F: Flow>(
    flow: &F,
    source: &Source,
    mut progress: impl FnMut(u64),
) -> Result<Seen, WriteError<F::Error>> {
    let begin = Instant::now();
    let sending = async {
        for chunk in source.chunks() {
            flow.write(chunk).await?;
        }
        flow.shutdown(Shutdown::Write).await
    };
    let receiving = async {
        // The last 32 bytes are the digest, wherever the chunks are cut.
        let (mut hash, mut echoed, mut tail) = (Sha256::new(), 0, Vec::new());
        while let Some(chunk) = flow.read().await? {
            tail.extend_from_slice(&chunk);
            let body = tail.len().saturating_sub(size_of::<Sum>());
            hash.update(&tail[..body]);
            tail.drain(..body);
            echoed += body as u64;
            progress(echoed);
        }
        Ok::<_, WriteError<F::Error>>((hash.finalize().into(), echoed, tail))
    };
    let (_, (sum, echoed, tail)) = future::try_zip(sending, receiving).await?;
    let end = flow.read().await?.is_none();
    flow.close().await?;
    let told = tail.try_into().ok();
    Ok(Seen {
        echoed,
        sum,
        told,
        end,
        closed: true,
        took: begin.elapsed(),
    })
}

/// The server's half: echoes up to the client's end, then sends the digest of what it received.
pub(crate) async fn answer<F: Flow>(flow: &F) -> Result<u64, WriteError<F::Error>> {
    let (mut hash, mut received) = (Sha256::new(), 0);
    while let Some(chunk) = flow.read().await? {
        hash.update(&chunk);
        received += chunk.len() as u64;
        flow.write(chunk).await?;
    }
    let sum: Sum = hash.finalize().into();
    flow.write(Bytes::copy_from_slice(&sum)).await?;
    flow.close().await?;
    Ok(received)
}
