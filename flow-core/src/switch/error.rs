//! What the users of a switch are told.

use core::fmt;
use std::error::Error;
use std::sync::Arc;

use thiserror::Error;

/// The switch is off: nothing can be attached to it any more. What was to be attached comes back.
///
/// # Examples
///
/// ```
/// use flow_core::Switch;
///
/// # futures_lite::future::block_on(async {
/// let switch = Switch::new();
/// switch.turn_off().await.unwrap();
/// let refused = switch.add_hook(|| println!("never")).unwrap_err();
/// assert_eq!(refused.to_string(), "the switch is off");
/// let run_it_myself = refused.into_inner();
/// # let _ = run_it_myself;
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("the switch is off")]
pub struct SwitchOff<T>(T);

impl<T> SwitchOff<T> {
    /// The refusal that gives `value` back.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// What was to be attached.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The same refusal, giving something else back.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> SwitchOff<U> {
        SwitchOff(convert(self.0))
    }
}

/// Says nothing of the value, which need not be printable.
impl<T> fmt::Debug for SwitchOff<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchOff").finish_non_exhaustive()
    }
}

/// How one of the things that a switch turned off has failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TurnOffError {
    /// A hook answered with an error, which is in `source()`.
    #[error("a hook failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// A hook, or aborting a flow, panicked with this message.
    #[error("panicked: {0}")]
    Panicked(String),
}

/// The switch is off, and this is what failed on the way; the rest was turned off all the same.
///
/// Every caller of [`turn_off`](crate::Switch::turn_off) gets the same report. The first failure is in `source()`, all of
/// them in [`iter`](Self::iter).
#[derive(Clone, Debug)]
pub struct TurnOffErrors(Arc<[TurnOffError]>);

impl TurnOffErrors {
    /// The report of these failures; `Ok` if there are none.
    pub(super) fn report(failures: Vec<TurnOffError>) -> Result<(), Self> {
        if failures.is_empty() {
            Ok(())
        } else {
            Err(Self(failures.into()))
        }
    }

    /// The failures, at least one, in the order in which they happened.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &TurnOffError> {
        self.0.iter()
    }
}

impl fmt::Display for TurnOffErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the switch is off, but something failed on the way"),
            n => write!(f, "the switch is off, but {n} things failed on the way"),
        }
    }
}

impl Error for TurnOffErrors {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.first().map(|e| e as _)
    }
}
