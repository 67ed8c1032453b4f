//! A signing key is replaced while clients send without pause, then revoked.

use std::sync::Arc;
use std::time::Duration;

use crate::forge::Forged;
use crate::http::{Connection, Request};
use crate::load::Load;
use crate::slice::{AUDIENCE, CLIENT_ID, Slice, TRUST_DOMAIN, TrustSource, assert_admitted};
use crate::workload::Workload;

/// Not one request fails while a key is prepared, activated and the old one revoked; then the old key's tokens are
/// refused on every worker within 2 s of the Workload API's word, also those that were accepted before.
pub fn rotation_under_load<S: TrustSource>(mut slice: Slice<S>) {
    let watch = slice.workload.watch_bundles();
    watch.await_keys("the first bundle", TRUST_DOMAIN, |ids| ids.len() == 1);
    let old_token = slice.token();
    let old_key = Forged::key_id(&old_token);
    let mut workers = slice.envoy.connection_to_each_worker();
    for connection in &mut workers {
        assert_admitted(connection, &old_token);
    }

    let workload = Arc::new(Workload::new(&slice.source.socket()));
    let clients = slice.envoy.connection_to_each_worker();
    let load = Load::start(clients.into_iter().map(|c| client(c, Arc::clone(&workload))).collect());

    slice.source.prepare();
    watch.await_keys("the prepared key", TRUST_DOMAIN, |ids| ids.len() == 2);
    slice.controller().await_enforced(TRUST_DOMAIN, &watch.key_ids(TRUST_DOMAIN));
    load.await_requests(REQUESTS);

    slice.source.activate();
    let new_token = crate::poll("tokens of the new key", Duration::from_secs(30), || {
        let token = slice.workload.fresh_token(AUDIENCE, CLIENT_ID);
        (Forged::key_id(&token) != old_key).then_some(token)
    });
    load.await_requests(REQUESTS);
    for connection in &mut workers {
        assert_admitted(connection, &old_token);
        assert_admitted(connection, &new_token);
    }

    slice.source.revoke_old();
    let announced =
        watch.await_keys("the old key leaves the bundle", TRUST_DOMAIN, |ids| !ids.contains(&old_key));
    for (worker, connection) in workers.iter_mut().enumerate() {
        let rest = PROPAGATION.saturating_sub(announced.elapsed());
        crate::poll(&format!("worker {worker} refuses the revoked key"), rest, || {
            let answer =
                connection.send(&Request::get("/").bearer(&old_token)).expect("an answer from Envoy");
            (answer.status == 401).then(|| assert_eq!(answer.reason(), "key_unknown"))
        });
        assert_admitted(connection, &new_token);
    }
    load.await_requests(REQUESTS);
    load.finish().assert_no_failure();
    slice.envoy.assert_healthy();
}

/// Sends a token that nobody has seen before with each request.
fn client(
    mut connection: Connection,
    workload: Arc<Workload>,
) -> impl FnMut() -> Result<(), String> + Send + 'static {
    move || {
        let token = workload.fresh_token(AUDIENCE, CLIENT_ID);
        let answer = connection.send(&Request::get("/load").bearer(&token)).map_err(|e| e.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    }
}

/// Enough on both workers that a gap of milliseconds would show.
const REQUESTS: u64 = 200;
/// How long a revocation may take from the Workload API's message to the last worker.
const PROPAGATION: Duration = Duration::from_secs(2);
