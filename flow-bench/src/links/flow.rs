//! Ours. What is read is always a fresh chunk, and what is written is handed over.

use flow_core::{Flow, FlowExt as _, Shutdown};

use super::Link;

/// A flow.
#[derive(Debug)]
pub(crate) struct FlowLink<F>(pub(crate) F);

impl<F: Flow + Send + Sync + 'static> Link for FlowLink<F> {
    const OWN_SIZE: usize = size_of::<F>();

    async fn send(&mut self, data: &'static [u8]) {
        self.0.write(data).await.expect("written");
    }

    async fn send_parts(&mut self, parts: &[&'static [u8]]) {
        self.0.writev(parts.iter().copied()).await.expect("written");
    }

    async fn receive(&mut self) -> usize {
        let chunk = self.0.read().await.expect("read");
        chunk.map_or(0, |chunk| chunk.len())
    }

    async fn echo(&mut self) -> usize {
        let Some(chunk) = self.0.read().await.expect("read") else {
            return 0;
        };
        let len = chunk.len();
        self.0.write(chunk).await.expect("written");
        len
    }

    async fn receive_idle(&mut self) -> usize {
        self.receive().await
    }

    async fn end(&mut self) {
        self.0.shutdown(Shutdown::Write).await.expect("ended");
    }

    async fn close(&mut self) {
        self.0.close().await.expect("closed");
    }
}
