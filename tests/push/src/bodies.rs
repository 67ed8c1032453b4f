//! Snapshots as they arrive: each distinct one is read in full once, and all others are compared with those.

use std::collections::VecDeque;
use std::rc::Rc;

use svidgate_snapshot::{Limits, Snapshot};

use crate::authority::CHANGE_PREFIX;

/// What a subscriber holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// The number of the change in it.
    pub change: usize,
    /// What the next request says of it: the headers of the revision and of the entity tag.
    pub headers: String,
}

/// The last distinct bodies.
#[derive(Debug, Default)]
pub struct Bodies(VecDeque<(Vec<u8>, Rc<Held>)>);

impl Bodies {
    /// What `body` is.
    ///
    /// # Errors
    /// A text, when it is no good snapshot of ours.
    pub fn read(&mut self, body: &[u8]) -> Result<Rc<Held>, String> {
        if let Some((_, held)) = self.0.iter().find(|(known, _)| known == body) {
            return Ok(Rc::clone(held));
        }
        let snapshot = Snapshot::decode(body, &Limits::AGREED).map_err(|error| error.to_string())?;
        let held = Rc::new(Held {
            change: change_of(&snapshot).ok_or("a snapshot without the number of its change")?,
            headers: format!(
                "x-svidgate-revision: {}\r\nif-none-match: {}\r\n",
                snapshot.revision(),
                snapshot.etag()
            ),
        });
        self.0.push_front((body.to_vec(), Rc::clone(&held)));
        self.0.truncate(KEPT);
        Ok(held)
    }
}

fn change_of(snapshot: &Snapshot) -> Option<usize> {
    let mut numbers = snapshot.trust().values().filter_map(|bundle| {
        let (_, behind) = bundle.jwks().split_once(CHANGE_PREFIX)?;
        behind.split('"').next()?.parse().ok()
    });
    numbers.next()
}

/// Those of a few changes, each with a few times of observation.
const KEPT: usize = 16;
