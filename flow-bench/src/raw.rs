//! The same work by hand on one thread: what there is to be had.

mod direct;
mod epoll;

pub(crate) use self::direct::Direct;
pub(crate) use self::epoll::Epoll;
