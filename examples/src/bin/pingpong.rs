//! Sends 64 bytes there and back N times over a pair of sockets, with a flow or with tokio's own stream: for counting what a round trip costs.
//!
//! ```text
//! strace -f -c pingpong flow 10000
//! valgrind --tool=callgrind pingpong tokio 10000
//! ```

use std::error::Error;

use flow_tokio::{FlowExt as _, TokioFlow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

static MESSAGE: [u8; 64] = [7; 64];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut args = std::env::args().skip(1);
    let (Some(what), Some(count)) = (args.next(), args.next()) else {
        return Err("usage: pingpong flow|tokio N".into());
    };
    let count = count.parse()?;
    match &*what {
        "flow" => {
            let (near, far) = flow_tokio::socketpair()?;
            let echo = tokio::spawn(echo_flow(far));
            ping_flow(near, count).await?;
            echo.await?
        }
        "tokio" => {
            let (near, far) = UnixStream::pair()?;
            let echo = tokio::spawn(echo_tokio(far));
            ping_tokio(near, count).await?;
            echo.await?
        }
        _ => Err("usage: pingpong flow|tokio N".into()),
    }
}

async fn ping_flow(flow: TokioFlow, count: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
    for _ in 0..count {
        flow.write(&MESSAGE[..]).await?;
        let mut len = 0;
        while len < MESSAGE.len() {
            len += flow.read().await?.ok_or("the echo ended")?.len();
        }
    }
    Ok(())
}

async fn echo_flow(flow: TokioFlow) -> Result<(), Box<dyn Error + Send + Sync>> {
    while let Some(chunk) = flow.read().await? {
        flow.write(chunk).await?;
    }
    Ok(())
}

async fn ping_tokio(
    mut stream: UnixStream,
    count: usize,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    for _ in 0..count {
        stream.write_all(&MESSAGE).await?;
        let mut len = 0;
        while len < MESSAGE.len() {
            let mut chunk = Vec::with_capacity(4096);
            match stream.read_buf(&mut chunk).await? {
                0 => return Err("the echo ended".into()),
                read => len += read,
            }
        }
    }
    Ok(())
}

async fn echo_tokio(mut stream: UnixStream) -> Result<(), Box<dyn Error + Send + Sync>> {
    loop {
        let mut chunk = Vec::with_capacity(4096);
        if stream.read_buf(&mut chunk).await? == 0 {
            return Ok(());
        }
        stream.write_all(&chunk).await?;
    }
}
