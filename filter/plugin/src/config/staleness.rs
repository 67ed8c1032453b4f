//! How old the last confirmation of a bundle may be.

use std::time::Duration;

use svidgate_config::{Object, field, kind};
use svidgate_policy::Staleness;

use super::kinds;

/// `wait` is that of the controller, when it is known.
pub(super) fn read(object: &mut Object<'_>, wait: Option<Duration>) -> Option<Staleness> {
    let bound = || kind::duration(MIN_STALENESS..=MAX_STALENESS);
    let read = object.object_or(
        field!(
            "max_staleness",
            "How old the last confirmation of a trust domain's bundle may be; then its callers get 503. At least \
             twice `controller.wait`, and 30s more than it. Absent: the last good bundle serves for ever, so that an \
             outage of the controller never stops traffic."
        ),
        kind::map(bound(), Read::Short),
        |object| {
            let default = object.optional(field!("default", "For trust domains that are not named."), bound());
            let domains =
                object.map(field!("trust_domains", "For these trust domains."), kinds::trust_domain(), bound());
            object.at_least_one(&["default", "trust_domains"], "names no bound")?;
            let (default, trust_domains) = (default?, domains?.unwrap_or_default());
            let good = default.is_none_or(|bound| is_long_enough(object, "default", bound, wait));
            let good = trust_domains.iter().fold(good, |good, (name, bound)| {
                is_long_enough(object, &format!("trust_domains.{name}"), *bound, wait) && good
            });
            good.then_some(Read::Long(Staleness { default, trust_domains }))
        },
    )?;
    match read {
        None => Some(Staleness::default()),
        Some(Read::Long(text)) => Some(text),
        Some(Read::Short(bound)) => is_long_enough(object, "max_staleness", bound, wait)
            .then_some(Staleness { default: Some(bound), ..Staleness::default() }),
    }
}

/// One bound for all, or an object.
enum Read {
    Short(Duration),
    Long(Staleness),
}

/// Reports a bound that is shorter than confirmations take: the controller hears from the agent every ten seconds or
/// so, and tells it once a wait. A shorter one would refuse everybody in between.
fn is_long_enough(object: &mut Object<'_>, path: &str, bound: Duration, wait: Option<Duration>) -> bool {
    let Some(least) = wait.map(|wait| wait.saturating_add(wait.max(CONFIRMATION))) else { return true };
    if bound < least {
        object.error(path, format!("must be at least {least:?} with this `controller.wait`"));
    }
    bound >= least
}

const MIN_STALENESS: Duration = Duration::from_secs(1);
const MAX_STALENESS: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest time between two words of an agent that is well, with room for one that is lost.
const CONFIRMATION: Duration = Duration::from_secs(30);
