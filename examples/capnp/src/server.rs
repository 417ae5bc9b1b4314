//! The side that computes.

use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;

use capnp::{Error, ErrorKind};
use capnp_rpc::new_client;
use futures_channel::mpsc::UnboundedSender;
use futures_channel::oneshot;

use crate::calculator_capnp::{Operation, calculator, number};

/// What goes on although the call that began it may be dropped, as calls are when their connection is over.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Offered to everybody who connects.
pub(crate) struct Calculator {
    pub(crate) tasks: UnboundedSender<Task>,
}

impl calculator::Server for Calculator {
    async fn number(
        self: Rc<Self>,
        params: calculator::NumberParams,
        mut results: calculator::NumberResults,
    ) -> Result<(), Error> {
        let value = params.get()?.get_value();
        results.get().set_number(new_client(Number(value)));
        Ok(())
    }

    async fn ponder(
        self: Rc<Self>,
        _: calculator::PonderParams,
        _: calculator::PonderResults,
    ) -> Result<(), Error> {
        eprintln!("pondering");
        pending().await
    }

    async fn follow(
        self: Rc<Self>,
        params: calculator::FollowParams,
        _: calculator::FollowResults,
    ) -> Result<(), Error> {
        let follower = params.get()?.get_follower()?;
        let (answered, answer) = oneshot::channel();
        let task = async move {
            let mut told = follower.told_request();
            told.get().set_value(42.0);
            let answer = told.send().promise.await.map(drop);
            if let Err(e) = &answer {
                eprintln!("a follower gave no answer: {}", kind(e));
            }
            // The caller may have gone.
            let _ = answered.send(answer);
        };
        let gone = || Error::failed("the calculator is ending".to_owned());
        self.tasks
            .unbounded_send(Box::pin(task))
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// What is left of an error for a log.
pub(crate) const fn kind(error: &Error) -> &'static str {
    match error.kind {
        ErrorKind::Disconnected => "disconnected",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Unimplemented => "unimplemented",
        _ => "failed",
    }
}

struct Number(f64);

impl number::Server for Number {
    async fn apply(
        self: Rc<Self>,
        params: number::ApplyParams,
        mut results: number::ApplyResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let operand = params.get_operand();
        let result = match params.get_operation()? {
            Operation::Plus => self.0 + operand,
            Operation::Minus => self.0 - operand,
            Operation::Times => self.0 * operand,
            Operation::Over if operand == 0.0 => {
                return Err(Error::failed("nothing can be divided by zero".to_owned()));
            }
            Operation::Over => self.0 / operand,
        };
        results.get().set_result(new_client(Self(result)));
        Ok(())
    }

    async fn value(
        self: Rc<Self>,
        _: number::ValueParams,
        mut results: number::ValueResults,
    ) -> Result<(), Error> {
        results.get().set_value(self.0);
        Ok(())
    }
}
