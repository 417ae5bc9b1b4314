//! What the program does, on either runtime.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use flow_core::Flow;
use flow_core::combinators::{ProxyError, proxy};
use flow_tls::TlsFlow;
use flow_tls::rustls::crypto::ring::default_provider;
use flow_tls::rustls::pki_types::pem::PemObject as _;
use flow_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use flow_tls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::Role;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// An error and its causes, without those that it has said itself.
pub(crate) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

/// The backends have the same names, so that one macro serves both.
macro_rules! run {
    ($backend:ident, $role:expr) => {{
        match $role {
            Role::Client { address, name, ca } => {
                let name = server_name(address, name.as_ref())?;
                let config = client(ca)?;
                let flow = $backend::connect_tcp(address.as_str())
                    .await
                    .map_err(|e| format!("no connection to {address}: {e}"))?;
                let session = flow_tls::connect(flow, config, name).await?;
                pipe($backend::stdio()?, session).await
            }
            Role::Server { address, cert, key } => {
                let config = server(cert, key)?;
                let listener = $backend::listen_tcp(*address)
                    .await
                    .map_err(|e| format!("cannot listen on {address}: {e}"))?;
                eprintln!("listening on {}", listener.local_addr()?);
                let (flow, _) = listener.accept().await?;
                drop(listener);
                let session = flow_tls::accept(flow, config).await?;
                pipe($backend::stdio()?, session).await
            }
        }
    }};
}

pub(crate) fn on_tokio(role: &Role) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async { run!(flow_tokio, role) })
}

pub(crate) fn on_async_std(role: &Role) -> Result<(), Failure> {
    async_std::task::block_on(async { run!(flow_async_std, role) })
}

/// Both ways, each to its own end.
async fn pipe<S, F>(stdio: S, session: TlsFlow<F>) -> Result<(), Failure>
where
    S: Flow,
    F: Flow<Error: Clone>,
{
    match proxy(&stdio, &session).await {
        Ok(_) => Ok(()),
        // What the message says of `a` and `b` is for those who know them.
        Err(ProxyError::A { cause, .. }) => Err(Failure::from(format!(
            "sending failed: {}",
            in_one_line(&cause)
        ))),
        Err(ProxyError::B { cause, .. }) => Err(Failure::from(format!(
            "receiving failed: {}",
            in_one_line(&cause)
        ))),
        Err(ProxyError::Both { a, b }) => Err(Failure::from(format!(
            "sending failed: {}; receiving failed: {}",
            in_one_line(&a),
            in_one_line(&b)
        ))),
    }
}

/// The name that was given, or the host of the address.
fn server_name(
    address: &str,
    name: Option<&ServerName<'static>>,
) -> Result<ServerName<'static>, Failure> {
    if let Some(name) = name {
        return Ok(name.clone());
    }
    let (host, _) = address
        .rsplit_once(':')
        .ok_or_else(|| format!("{address} has no port: say HOST:PORT"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned())
        .map_err(|_| format!("{host} is no name that a certificate can have: say --name").into())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let cannot = |e| format!("cannot read certificates from {}: {e}", path.display());
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(cannot)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(cannot)?;
    if certificates.is_empty() {
        return Err(format!("{} has no certificate in PEM", path.display()).into());
    }
    Ok(certificates)
}

fn client(ca: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(ca)?);
    if added == 0 {
        return Err(format!("{} has no certificate that can be used", ca.display()).into());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn server(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, Failure> {
    let chain = certificates(cert)?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|e| format!("cannot read a key from {}: {e}", key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| {
            format!(
                "the key in {} does not go with {}: {e}",
                key.display(),
                cert.display()
            )
        })?;
    Ok(Arc::new(config))
}
