//! What goes wrong, as one line each.

use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};

use crate::address::Address;

/// Why the exit status is 1.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be said.
    Said(String),
    /// The reader of standard output is gone: it knows why, and everybody else is used to it.
    Quiet,
}

impl Failure {
    /// One side failed.
    pub(crate) fn at(address: &Address, error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Self::because(address, text)
    }

    /// One side failed, in words.
    pub(crate) fn because(address: &Address, why: impl fmt::Display) -> Self {
        Self::Said(format!("{address}: {why}"))
    }

    pub(crate) fn tell(&self) {
        if let Self::Said(text) = self {
            say(text);
        }
    }
}

/// One line on standard error. Whoever has closed that does not want to know.
pub(crate) fn say(text: &str) {
    let mut line = String::from("flowcat: ");
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line.push('\n');
    _ = io::stderr().write_all(line.as_bytes());
}
