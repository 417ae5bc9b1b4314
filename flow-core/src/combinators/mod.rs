//! What is built of flows: copying between them, wrappers around one, and flows out of functions and buffers.

mod below;
mod boxed;
mod close_discarding;
mod copy;
mod counted;
mod faulty;
mod forward;
mod functions;
mod idle;
mod inspect;
mod live;
mod map_err;
mod named;
mod peekable;
mod proxy;
mod pump;
mod split;
mod stats;

pub use self::boxed::{Concrete, NamedFlow, boxed, boxed_local, concrete, create};
pub use self::close_discarding::{CloseDiscarding, CloseDiscardingError, close_discarding};
pub use self::copy::{Copying, copy};
pub use self::counted::Counted;
pub use self::faulty::{Faults, Faulty, FaultyError, FaultyTransport};
pub use self::functions::{Buffers, FunctionFlow, FunctionTransport, Functions};
pub use self::idle::{Idle, IdleError, Timer, idle_timeout};
pub use self::inspect::{Inspect, Style, Traffic, trace_to};
pub use self::live::LiveStats;
pub use self::map_err::MapErr;
pub use self::named::{Named, NamedError};
pub use self::peekable::{Peek, Peekable};
pub use self::proxy::{Proxied, ProxyError, Proxying, proxy};
pub use self::pump::CopyError;
pub use self::split::{ReadHalf, WriteHalf, split};
pub use self::stats::Stats;
