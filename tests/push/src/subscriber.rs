//! One subscriber: asks, waits and backs off as the plugin does (`filter/plugin/src/subscription`), with Envoy's
//! connection to the controller.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use svidgate_controller::clock;
use svidgate_plugin::subscription::Backoff;
use tokio::net::UnixStream;

use crate::bodies::{Bodies, Held};
use crate::fleet::{Seat, Shared};
use crate::wire::{exchange, request_start};

/// Lives as long as its thread.
pub(crate) async fn live(number: usize, shared: Arc<Shared>, bodies: Rc<RefCell<Bodies>>) {
    let mut subscriber = Subscriber {
        seat: &shared.subscribers[number],
        shared: &shared,
        bodies: &bodies,
        start: request_start(number),
        held: None,
        backoff: Backoff::default(),
        unread: Vec::new(),
    };
    // Each Envoy has its ticks at another moment.
    let phase = (number * TICK.as_millis() as usize / shared.subscribers.len()) as u64;
    loop {
        let ended = subscriber.connection().await;
        subscriber.seat.is_waiting.store(false, Relaxed);
        match ended {
            Ended::ToRestart => (subscriber.held, subscriber.backoff) = (None, Backoff::default()),
            Ended::Failed => subscriber.pause(phase).await,
        }
    }
}

struct Subscriber<'a> {
    seat: &'a Seat,
    shared: &'a Shared,
    bodies: &'a RefCell<Bodies>,
    start: String,
    held: Option<Rc<Held>>,
    backoff: Backoff,
    unread: Vec<u8>,
}

enum Ended {
    ToRestart,
    Failed,
}

impl Subscriber<'_> {
    /// One request after the other on one connection.
    async fn connection(&mut self) -> Ended {
        let counts = self.shared.counts();
        let Ok(mut stream) = UnixStream::connect(&self.shared.socket).await else {
            counts.refused_connections.fetch_add(1, Relaxed);
            return Ended::Failed;
        };
        counts.connections.fetch_add(1, Relaxed);
        loop {
            let held = self.held.as_ref().map_or("", |held| &held.headers);
            let request = [&self.start, held, "\r\n"].concat();
            // One that has just started waits for its first state, which counts for nothing yet.
            self.seat.is_waiting.store(self.held.is_some(), Relaxed);
            let answer = tokio::select! {
                answer = exchange(&mut stream, request.as_bytes(), &mut self.unread) => answer,
                () = self.seat.restart.notified() => return Ended::ToRestart,
            };
            match answer {
                Ok((200, body)) => match self.bodies.borrow_mut().read(&self.unread[body]) {
                    Ok(held) => {
                        self.shared.holds(self.seat, held.change);
                        self.held = Some(held);
                    }
                    Err(_) => {
                        counts.bad.fetch_add(1, Relaxed);
                        return Ended::Failed;
                    }
                },
                Ok((304, _)) => {}
                Ok(_) | Err(_) => {
                    counts.failed_requests.fetch_add(1, Relaxed);
                    return Ended::Failed;
                }
            }
            self.backoff.succeeded();
        }
    }

    /// To the first tick at which the plugin would ask again.
    async fn pause(&mut self, phase: u64) {
        self.backoff.failed(clock::unix_millis());
        loop {
            let tick = TICK.as_millis() as u64;
            let since = (clock::unix_millis() + tick - phase) % tick;
            tokio::time::sleep(Duration::from_millis(tick - since)).await;
            if self.backoff.is_over(clock::unix_millis()) {
                return;
            }
        }
    }
}

/// That of the plugin.
const TICK: Duration = Duration::from_millis(250);
