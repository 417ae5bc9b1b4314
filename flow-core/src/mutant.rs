//! Faults to be put in on purpose under the model checker: a model that has never failed shows nothing.
//!
//! A test sets one fault by name, and the line that has it says `if mutant!("name") { .. }`. In ordinary builds the
//! macro is the constant `false`.

/// Whether the fault of that name is put in: `false` outside the model checker.
macro_rules! mutant {
    ($name:literal) => {{
        #[cfg(loom)]
        let put_in = $crate::mutant::is($name);
        #[cfg(not(loom))]
        let put_in = false;
        put_in
    }};
}
#[allow(
    unused_imports,
    reason = "whether a fault is left in any module is not this one's business"
)]
pub(crate) use mutant;

#[cfg(loom)]
std::thread_local! {
    // The checker runs all threads of a model on the test's own thread, so that tests do not share their faults.
    static PUT_IN: core::cell::Cell<&'static str> = const { core::cell::Cell::new("") };
}

/// Puts in the fault of that name on this thread, in place of the one before; `""` is none.
#[cfg(loom)]
pub fn set(name: &'static str) {
    PUT_IN.set(name);
}

/// Whether the fault of that name is put in.
#[cfg(loom)]
#[must_use]
pub fn is(name: &str) -> bool {
    PUT_IN.get() == name
}
