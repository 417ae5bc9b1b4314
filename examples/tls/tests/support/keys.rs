//! A certificate that is made for the occasion, and settings that trust it.

use std::sync::{Arc, OnceLock};

use flow_tls::rustls::crypto::ring::default_provider;
use flow_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use flow_tls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";

pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from(NAME).expect("a name")
}

/// A certificate, and its key.
pub(crate) fn certified() -> &'static rcgen::CertifiedKey<rcgen::KeyPair> {
    static CERTIFIED: OnceLock<rcgen::CertifiedKey<rcgen::KeyPair>> = OnceLock::new();
    CERTIFIED.get_or_init(|| {
        let mut params = rcgen::CertificateParams::new([NAME.to_owned()]).expect("a name");
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        let signing_key = rcgen::KeyPair::generate().expect("a key");
        let cert = params.self_signed(&signing_key).expect("a certificate");
        rcgen::CertifiedKey { cert, signing_key }
    })
}

pub(crate) fn private() -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(certified().signing_key.serialize_der().into())
}

pub(crate) fn server() -> Arc<ServerConfig> {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let certified = certified();
        let chain = vec![certified.cert.der().clone()];
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, private());
        Arc::new(config.expect("a key that fits"))
    });
    Arc::clone(config)
}

/// One that trusts that certificate.
pub(crate) fn client() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| Arc::new(trusting([certified().cert.der().clone()])));
    Arc::clone(config)
}

/// One that trusts these, and nothing else.
pub(crate) fn trusting(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).expect("a certificate");
    }
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
