//! Asks everyone about every token and counts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::corpus::Case;
use crate::disposition::{self, STRICTER_HERE, STRICTER_THERE, Seen};
use crate::ours;
use crate::peers::{Peer, Verdict};
use crate::report::{Direction, Disagreement, Fault, Report};

/// Judges `count` cases, which `make` makes by number and moment, on as many threads as there are cores.
pub fn run(count: usize, make: impl Fn(usize, u64) -> Case + Sync, peers: &[&dyn Peer], report: &mut Report) {
    let next = AtomicUsize::new(0);
    let shared = Mutex::new(report);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let work = || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let judged = judge(index, &make, peers);
                    add(&mut shared.lock().expect("no panic while it is held"), &judged, peers);
                }
            };
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread");
        }
    });
}

/// Judges these cases, which were made a moment ago.
pub fn run_all(cases: &[Case], peers: &[&dyn Peer], report: &mut Report) {
    run(cases.len(), |index, _| cases[index].clone(), peers, report);
}

struct Judged {
    case: Case,
    now: u64,
    ours: Result<String, svidgate_jwt_svid::VerifyError>,
    verdicts: Vec<Verdict>,
}

/// The verdicts of one moment: made anew when the machine was so slow that the moment had passed.
fn judge(index: usize, make: &impl Fn(usize, u64) -> Case, peers: &[&dyn Peer]) -> Judged {
    loop {
        let now = wall_clock();
        let case = make(index, now);
        let now = if case.to_the_second { case.made_at } else { now };
        let verified = ours::verify(&case.token, &case.trust, now);
        let verdicts = peers.iter().map(|peer| peer.judge(&case, now)).collect();
        if case.to_the_second || wall_clock().saturating_sub(now) <= LATE {
            let ours = verified.map(|svid| svid.spiffe_id().to_string());
            return Judged { case, now, ours, verdicts };
        }
    }
}

fn add(report: &mut Report, judged: &Judged, peers: &[&dyn Peer]) {
    let Judged { case, now, ours, verdicts } = judged;
    let row = report.row(case.class);
    row.tokens += 1;
    if ours.is_ok() {
        row.accepted += 1
    } else {
        row.refused += 1
    }
    let seen = Seen::new(case, *now, ours.as_ref().err().copied());
    for (peer, verdict) in peers.iter().zip(verdicts) {
        let name = peer.name();
        let tally = report.row(case.class).peers.entry(name).or_default();
        match verdict {
            Verdict::Accepted(_) => tally.accepted += 1,
            Verdict::Refused(_) => tally.refused += 1,
            Verdict::NotAsked(_) => tally.not_asked += 1,
        }
        let (direction, found) = match (ours, verdict) {
            (Ok(ours), Verdict::Accepted(theirs)) if ours != theirs => (Direction::OtherIdentity, None),
            (Ok(_), Verdict::Refused(_)) => {
                (Direction::StricterThere, disposition::find(STRICTER_THERE, name, &seen))
            }
            (Err(_), Verdict::Accepted(_)) => {
                (Direction::StricterHere, disposition::find(STRICTER_HERE, name, &seen))
            }
            _ => continue,
        };
        let example = format!("{}: {}", case.class, case.name);
        match found {
            Some(disposition) => {
                let known = report.disagreements.iter_mut().find(|known| {
                    known.peer == name && known.direction == direction && known.name == disposition.name
                });
                match known {
                    Some(known) => known.tokens += 1,
                    None => report.disagreements.push(Disagreement {
                        direction,
                        peer: name,
                        name: disposition.name,
                        rule: disposition.rule,
                        why: disposition.why,
                        tokens: 1,
                        example,
                    }),
                }
            }
            None => report.faults.push(Fault {
                direction,
                peer: name,
                case: example,
                ours: ours.as_ref().map_or_else(ToString::to_string, |id| format!("accepted as {id}")),
                theirs: format!("{verdict:?}"),
                header: String::from_utf8_lossy(&seen.header_bytes).into_owned(),
                payload: String::from_utf8_lossy(&seen.payload_bytes).into_owned(),
            }),
        }
    }
}

/// Now, in seconds since 1970.
#[allow(
    clippy::disallowed_methods,
    reason = "the peers read the wall clock, so the tokens must be made for it"
)]
#[must_use]
pub fn wall_clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock past 1970").as_secs()
}

/// The lenient reader of JSON goes as deep as a token can be.
const STACK: usize = 256 << 20;
/// Half the distance that times keep from an edge.
const LATE: u64 = 5;
