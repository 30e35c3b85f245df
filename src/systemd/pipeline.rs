//! Many calls on one connection: the next are sent while the first is being answered.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Calls that are sent and not answered. A bus refuses more than 128 of one connection.
const MOST: usize = 64;

/// Either still open, or what it has come to.
enum Call<F: Future> {
    Open(Pin<Box<F>>),
    Done(F::Output),
}

/// The outputs in the order of the calls, which is the order that systemd answers in: only the first is asked again when
/// something has come.
pub(super) async fn in_turn<F: Future>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let (mut calls, mut sent, mut outputs) = (calls.into_iter(), VecDeque::new(), Vec::new());
    let mut next = move || calls.next();
    poll_fn(|context| {
        loop {
            while sent.len() < MOST {
                let Some(call) = next() else { break };
                // The first poll sends it.
                let mut call = Box::pin(call);
                sent.push_back(match call.as_mut().poll(context) {
                    Poll::Ready(output) => Call::Done(output),
                    Poll::Pending => Call::Open(call),
                });
            }
            let first = match sent.pop_front() {
                None => return Poll::Ready(std::mem::take(&mut outputs)),
                Some(Call::Done(output)) => Ok(output),
                Some(Call::Open(mut call)) => match call.as_mut().poll(context) {
                    Poll::Ready(output) => Ok(output),
                    Poll::Pending => Err(call),
                },
            };
            match first {
                Ok(output) => outputs.push(output),
                Err(call) => {
                    sent.push_front(Call::Open(call));
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}
