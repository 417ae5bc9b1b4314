//! A vat over a flow: the one place where RPC and flows meet.

use std::rc::Rc;

use capnp::capability::FromClientHook;
use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{Disconnector, RpcSystem};
use flow_core::{Flow, FuturesIo};

/// What speaks to the vat at the other end of a flow. A future that is ready when the connection is over; everything else waits for it to be polled.
pub(crate) type Connection = RpcSystem<Side>;

/// Reading and writing are two streams over the same flow, each in its own time.
fn network<F: Flow + 'static>(flow: F, side: Side) -> Box<VatNetwork<FuturesIo<Rc<F>>>> {
    let flow = Rc::new(flow);
    let (input, output) = (FuturesIo::new(Rc::clone(&flow)), FuturesIo::new(flow));
    let options = ReaderOptions::new();
    Box::new(VatNetwork::new(input, output, side, options))
}

/// The vat that asks: what the other side offers, and a way to leave when all is said.
pub(crate) fn client<F: Flow + 'static, C: FromClientHook>(
    flow: F,
) -> (Connection, C, Disconnector<Side>) {
    let mut connection = RpcSystem::new(network(flow, Side::Client), None);
    let offered = connection.bootstrap(Side::Server);
    let disconnector = connection.get_disconnector();
    (connection, offered, disconnector)
}

/// The vat that offers something.
pub(crate) fn server<F: Flow + 'static>(flow: F, offered: capnp::capability::Client) -> Connection {
    RpcSystem::new(network(flow, Side::Server), Some(offered))
}
