//! The side that asks.

use std::future::pending;
use std::rc::Rc;

use capnp::Error;
use capnp::capability::RemotePromise;
use capnp_rpc::new_client;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::calculator_capnp::calculator::number_results;
use crate::calculator_capnp::number::apply_results;
use crate::calculator_capnp::{Operation, calculator, follower, number};

/// One step of a sum, which goes from left to right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) operation: Operation,
    pub(crate) operand: f64,
}

fn begin(calculator: &calculator::Client, value: f64) -> RemotePromise<number_results::Owned> {
    let mut request = calculator.number_request();
    request.get().set_value(value);
    request.send()
}

fn apply(number: &number::Client, step: Step) -> RemotePromise<apply_results::Owned> {
    let mut request = number.apply_request();
    request.get().set_operation(step.operation);
    request.get().set_operand(step.operand);
    request.send()
}

/// What comes out. All of it is sent before the first answer has come: each step is asked of a result that is still to be.
pub(crate) async fn sum(
    calculator: &calculator::Client,
    first: f64,
    steps: &[Step],
) -> Result<f64, Error> {
    let mut number = begin(calculator, first).pipeline.get_number();
    for step in steps {
        number = apply(&number, *step).pipeline.get_result();
    }
    let answer = number.value_request().send().promise.await?;
    Ok(answer.get()?.get_value())
}

/// The same, waiting for each answer before the next step.
pub(crate) async fn sum_one_by_one(
    calculator: &calculator::Client,
    first: f64,
    steps: &[Step],
) -> Result<f64, Error> {
    let answer = begin(calculator, first).promise.await?;
    let mut number = answer.get()?.get_number()?;
    for step in steps {
        let answer = apply(&number, *step).promise.await?;
        number = answer.get()?.get_result()?;
    }
    let answer = number.value_request().send().promise.await?;
    Ok(answer.get()?.get_value())
}

/// So many pairs of calls, some at a time, of which the second is asked of the result of the first. How many answers were wrong.
pub(crate) async fn load(
    calculator: &calculator::Client,
    pairs: u32,
    at_once: usize,
) -> Result<u32, Error> {
    let one = begin(calculator, 1.0).pipeline.get_number();
    let asked = stream::iter(0..pairs).map(|i| {
        let step = Step {
            operation: Operation::Plus,
            operand: f64::from(i),
        };
        let result = apply(&one, step).pipeline.get_result();
        let value = result.value_request().send();
        async move {
            let value = value.promise.await?.get()?.get_value();
            Ok::<_, Error>(u32::from(value != 1.0 + step.operand))
        }
    });
    asked
        .buffered(at_once)
        .try_fold(0, |wrong, more| async move { Ok(wrong + more) })
        .await
}

/// Waits for an answer that does not come.
pub(crate) async fn ponder(calculator: &calculator::Client) -> Result<(), Error> {
    calculator.ponder_request().send().promise.await?;
    Ok(())
}

/// Is called, and does not answer.
pub(crate) async fn follow(calculator: &calculator::Client) -> Result<(), Error> {
    let mut request = calculator.follow_request();
    request.get().set_follower(new_client(Follower));
    request.send().promise.await?;
    Ok(())
}

struct Follower;

impl follower::Server for Follower {
    async fn told(
        self: Rc<Self>,
        params: follower::ToldParams,
        _: follower::ToldResults,
    ) -> Result<(), Error> {
        eprintln!("told {}", params.get()?.get_value());
        pending().await
    }
}
