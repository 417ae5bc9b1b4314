//! A flow of one's own.
