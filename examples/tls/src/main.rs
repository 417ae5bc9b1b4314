//! `tls`: standard input and output through a TLS session, as a client or as a server of one client.

mod program;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use flow_tls::rustls::pki_types::ServerName;

/// Pipes standard input and output through TLS.
///
/// The end of standard input is the end of this side: a close_notify is sent, and what the peer still sends is written out.
#[derive(Parser)]
#[command(name = "tls", version, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    role: Role,
    /// What drives it.
    #[arg(long, value_enum, default_value_t = Runtime::Tokio, global = true)]
    runtime: Runtime,
}

const EXAMPLES: &str = "Examples:
  printf 'HEAD / HTTP/1.0\\r\\n\\r\\n' | tls client example.org:443
  tls server 127.0.0.1:8443 --cert cert.pem --key key.pem < answer > question
  tls client 127.0.0.1:8443 --name localhost --ca cert.pem --runtime async-std";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Runtime {
    Tokio,
    AsyncStd,
}

#[derive(Subcommand)]
enum Role {
    /// Connects to a server.
    Client {
        /// HOST:PORT
        address: String,
        /// The name that the server's certificate must have, if it is not HOST.
        #[arg(long, value_parser = name)]
        name: Option<ServerName<'static>>,
        /// A file of certificates in PEM, one of which has to have signed the server's, or be it.
        #[arg(
            long,
            env = "SSL_CERT_FILE",
            default_value = "/etc/ssl/certs/ca-certificates.crt"
        )]
        ca: PathBuf,
    },
    /// Waits for one client, and prints `listening on ADDRESS` to standard error when it does.
    Server {
        /// IP:PORT, the port 0 for any.
        address: SocketAddr,
        /// The certificate in PEM, and after it those that lead to the one that clients trust.
        #[arg(long)]
        cert: PathBuf,
        /// The certificate's key in PEM.
        #[arg(long)]
        key: PathBuf,
    },
}

fn name(text: &str) -> Result<ServerName<'static>, String> {
    match ServerName::try_from(text.to_owned()) {
        Ok(name) => Ok(name),
        Err(_) => Err("neither a host name nor an IP address".to_owned()),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.runtime {
        Runtime::Tokio => program::on_tokio(&args.role),
        Runtime::AsyncStd => program::on_async_std(&args.role),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tls: {}", program::in_one_line(&*failure));
            ExitCode::FAILURE
        }
    }
}
