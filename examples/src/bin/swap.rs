//! One protocol, three runtimes: what a program changes to change its runtime is where it takes its flows from.

use flow_core::{Flow, FlowExt, Shutdown, WriteError};

/// Says something, then listens to the end.
async fn ask<F: Flow>(flow: &F, text: &'static str) -> Result<String, WriteError<F::Error>> {
    flow.write(text).await?;
    flow.shutdown(Shutdown::Write).await?;
    let mut answer = Vec::new();
    while let Some(chunk) = flow.read().await? {
        answer.extend_from_slice(&chunk);
    }
    flow.close().await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Answers everything in capitals.
async fn shout<F: Flow>(flow: &F) -> Result<(), WriteError<F::Error>> {
    while let Some(chunk) = flow.read().await? {
        flow.write(chunk.to_ascii_uppercase()).await?;
    }
    flow.close().await?;
    Ok(())
}

/// Both, over a socket pair of one backend.
macro_rules! talk {
    ($backend:ident) => {{
        let (here, there) = $backend::socketpair()?;
        let (answer, served) = futures_lite::future::zip(ask(&here, "hello"), shout(&there)).await;
        served?;
        Ok::<_, Box<dyn std::error::Error>>(answer?)
    }};
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tokio = tokio::runtime::Runtime::new()?;
    println!("tokio: {}", tokio.block_on(async { talk!(flow_tokio) })?);
    let on_async_std = async { talk!(flow_async_std) };
    println!("async-std: {}", async_std::task::block_on(on_async_std)?);
    let on_smol = async { talk!(flow_async_std) };
    println!("smol: {}", smol::block_on(on_smol)?);
    Ok(())
}
