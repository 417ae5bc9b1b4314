//! What can go wrong with a session, and what to do about it.

use flow_core::Aborted;
use thiserror::Error;

/// Why a session failed after its handshake. `E` is the error of the flow below.
///
/// All variants are here for good, but those of [`rustls::Error`] grow.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum TlsError<E> {
    /// This side aborted the flow.
    #[error("the TLS session was given up on this side")]
    Aborted(#[from] Aborted),
    /// The flow below has ended, and the peer had not said that it is done: it died, or somebody cut its bytes off.
    ///
    /// Everything that was read is genuine, and may not be all. Only a protocol that says itself how long a message is can use it.
    #[error(
        "the connection ended without the peer's close_notify: what was read may be cut off, so ask for it again"
    )]
    Truncated,
    /// Reading from the flow below failed: the peer is gone for this session.
    #[error("the connection under the TLS session failed while reading")]
    Read(#[source] E),
    /// Writing to the flow below failed for a reason that is not the peer's.
    #[error("the connection under the TLS session failed while writing")]
    Write(#[source] E),
    /// The peer broke the protocol, said that this side did, or bytes were changed on the way. The session cannot go on; connect again.
    #[error("the TLS session is broken, and nothing more of it can be trusted: connect again")]
    Tls(#[source] rustls::Error),
}

/// Why a session could not be made.
///
/// `Display` says in one line what was tried, why it failed and what may help; [`cause`](Self::cause) is for programs.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("no TLS session with {peer}: {cause}")]
pub struct HandshakeError<E> {
    pub(crate) peer: String,
    pub(crate) cause: HandshakeCause<E>,
}

impl<E> HandshakeError<E> {
    /// With whom, as it stands in the message: the server's name, or "the client".
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Why.
    #[must_use]
    pub const fn cause(&self) -> &HandshakeCause<E> {
        &self.cause
    }
}

/// What a handshake failed of.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum HandshakeCause<E> {
    /// The flow below ended before the handshake was done.
    #[error("the connection ended in the middle of the handshake: does the peer speak TLS there?")]
    Ended,
    /// Reading from the flow below failed.
    #[error("the connection failed while reading: {0}")]
    Read(E),
    /// Writing to the flow below failed.
    #[error("the connection failed while writing: {0}")]
    Write(E),
    /// The two sides could not agree, or one does not trust the other.
    #[error("{0}{hint}", hint = hint(.0))]
    Tls(rustls::Error),
}

/// What may help.
fn hint(error: &rustls::Error) -> &'static str {
    use rustls::{AlertDescription, CertificateError, Error};

    match error {
        Error::InvalidMessage(_) => "; does the peer speak TLS there?",
        Error::InvalidCertificate(e) => match e {
            CertificateError::UnknownIssuer => {
                "; trust the certificate that signed the peer's, if you do"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "; connect by a name that the certificate has"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "; the peer has to renew it, or this clock is wrong"
            }
            _ => "; the peer needs another certificate",
        },
        Error::AlertReceived(AlertDescription::UnknownCA) => {
            "; the peer has to trust the certificate that signed ours"
        }
        Error::AlertReceived(_) => "; the peer's log says more",
        _ => "",
    }
}
