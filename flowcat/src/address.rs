//! The two addresses: what can be written on the command line, and which of them are files.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

/// One side of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Standard input and output.
    Stdio,
    /// Connects to a Unix socket.
    Unix(PathBuf),
    /// Waits for one connection to a Unix socket.
    UnixListen(PathBuf),
    /// Connects over TCP, to `HOST:PORT`.
    Tcp(String),
    /// Waits for one connection over TCP, at `HOST:PORT`.
    TcpListen(String),
    /// A command of the shell.
    Exec(OsString),
    /// A file, a device or a FIFO.
    File(PathBuf),
}

impl Address {
    /// What the command line says.
    pub(crate) fn parse(word: &OsStr) -> Result<Self, String> {
        let bytes = word.as_bytes();
        if bytes == b"-" {
            return Ok(Self::Stdio);
        }
        let (kind, rest) = match bytes.iter().position(|&byte| byte == b':') {
            Some(at) => (&bytes[..at], &bytes[at + 1..]),
            None => (bytes, &[][..]),
        };
        let path = || match rest {
            [] => Err("the path is missing".to_owned()),
            path => Ok(PathBuf::from(OsString::from_vec(path.to_vec()))),
        };
        match kind {
            b"unix" => Ok(Self::Unix(path()?)),
            b"unix-listen" => Ok(Self::UnixListen(path()?)),
            b"tcp" => Ok(Self::Tcp(host(rest)?)),
            b"tcp-listen" => Ok(Self::TcpListen(host(rest)?)),
            b"exec" if rest.trim_ascii().is_empty() => Err("the command is missing".to_owned()),
            b"exec" => Ok(Self::Exec(OsString::from_vec(rest.to_vec()))),
            b"file" => Ok(Self::File(path()?)),
            _ => Err(
                "an address is -, or begins with unix:, unix-listen:, tcp:, tcp-listen:, exec: or file:"
                    .to_owned(),
            ),
        }
    }

    pub(crate) const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    pub(crate) const fn is_socket(&self) -> bool {
        matches!(
            self,
            Self::Unix(_) | Self::UnixListen(_) | Self::Tcp(_) | Self::TcpListen(_)
        )
    }
}

fn host(rest: &[u8]) -> Result<String, String> {
    let text = str::from_utf8(rest).map_err(|_| "the host is not UTF-8".to_owned())?;
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.is_empty() => match port.parse::<u16>() {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(format!("the port is a number up to 65535, not '{port}'")),
        },
        _ => Err("a host and a port are needed, as in localhost:7000".to_owned()),
    }
}

/// As it stands on the command line.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio => f.write_str("-"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::UnixListen(path) => write!(f, "unix-listen:{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp:{host}"),
            Self::TcpListen(host) => write!(f, "tcp-listen:{host}"),
            Self::Exec(command) => write!(f, "exec:{}", command.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_parsed_prints_as_it_was() {
        let words = [
            "-",
            "unix:a:b",
            "unix-listen:/run/x",
            "tcp:[::1]:80",
            "tcp-listen:localhost:0",
            "exec:a b: c",
            "file:x",
        ];
        for word in words {
            let address = Address::parse(word.as_ref()).unwrap();
            assert_eq!(address.to_string(), word);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let words = [
            "",
            "--",
            "unix",
            "unix:",
            "file:",
            "exec: ",
            "tcp:",
            "tcp:80",
            "tcp::80",
            "tcp:host:",
            "tcp:host:http",
            "tcp:host:65536",
            "udp:host:80",
            "Unix:x",
        ];
        for word in words {
            let parsed = Address::parse(word.as_ref());
            assert!(parsed.is_err(), "{word}: {parsed:?}");
        }
    }
}
