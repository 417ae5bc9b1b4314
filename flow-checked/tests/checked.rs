//! A checked flow reports each clause that it can, and reports nothing of a good flow. `laws.rs` is about its being a good flow itself.

#[path = "checked/allocations.rs"]
mod allocations;
#[path = "checked/breaches.rs"]
mod breaches;
#[path = "checked/good.rs"]
mod good;
#[path = "checked/innocent.rs"]
mod innocent;
#[path = "checked/script.rs"]
mod script;
