//! One of the secrets that come from Vault.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use svidgate_snapshot::{Credential, CredentialKind};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::Publisher;
use crate::clock;
use crate::config::WantedSecret;
use crate::secrets::{Published, Secret};

/// Publishes the secret as it is, until `stop`. One that has ended, or that is gone from Vault, is taken away at once.
pub(super) async fn follow(
    wanted: WantedSecret,
    mut from: Published,
    publisher: Publisher,
    stop: CancellationToken,
) {
    let mut held = false;
    // What was published last.
    let mut hold = None;
    loop {
        let secret = from.borrow_and_update().clone().filter(|secret| secret.lives());
        match secret.map(|secret| (credential(&wanted, &secret), secret)) {
            Some((Ok(credential), secret)) => {
                publisher.publish(credential);
                held = true;
                let before = std::mem::replace(&mut hold, secret.hold());
                tokio::spawn(async move {
                    tokio::time::sleep(CHANGE_OVER).await;
                    drop(before);
                });
            }
            Some((Err(why), _)) => publisher.failed(format!("secret {}: {why}", wanted.name)),
            None if held => {
                publisher.withdraw(format!("secret {}: there is none any more", wanted.name));
                held = false;
            }
            None => publisher.failed(format!("secret {}: there is none yet", wanted.name)),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = from.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// What is sent, with the end of the secret. Errors say nothing of it.
fn credential(wanted: &WantedSecret, secret: &Arc<Secret>) -> Result<Credential, String> {
    let field = |name: &str| secret.text(name).ok_or_else(|| format!("there is no field {name}"));
    let value = field(&wanted.field)?;
    let (kind, bytes) = match &wanted.user_field {
        None => (CredentialKind::Secret, value.expose_secret().as_bytes().to_vec()),
        Some(name) => {
            let user = field(name)?;
            let user = user.expose_secret();
            if user.contains(':') {
                return Err(format!("field {name} has a `:`, which no user may have"));
            }
            let joined = [user.as_bytes(), b":", value.expose_secret().as_bytes()].concat();
            (CredentialKind::UserPassword, joined)
        }
    };
    // Whole seconds, rounded down: never later than Vault says.
    let not_after = secret.not_after().and_then(|end| clock::millis_of(end).checked_div(1000));
    Credential::new(kind, Zeroizing::new(bytes), not_after).map_err(|error| error.to_string())
}

/// How long filters may go on with what was replaced, whatever `vault.grace` says: those that are there have the next one
/// within milliseconds, and one that was just refused, or whose Envoy has just lost the VM that asks, within 5 s.
const CHANGE_OVER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(field: &str, user_field: Option<&str>) -> Result<(Vec<u8>, CredentialKind), String> {
        let fields =
            [("value", "tok"), ("username", "me"), ("password", "a:b"), ("bad", "x\ny"), ("odd", "m:e")];
        let secret = Secret::fixed("s", &fields);
        let user_field = user_field.map(str::to_owned);
        let wanted = WantedSecret { name: "s".to_owned(), field: field.to_owned(), user_field };
        let credential = credential(&wanted, &secret)?;
        assert_eq!(credential.not_after(), None);
        Ok((credential.expose().to_vec(), credential.kind()))
    }

    #[test]
    fn a_field_is_sent_alone_or_behind_a_user_and_nothing_that_no_header_holds() {
        assert_eq!(of("value", None).unwrap(), (b"tok".to_vec(), CredentialKind::Secret));
        assert_eq!(
            of("password", Some("username")).unwrap(),
            (b"me:a:b".to_vec(), CredentialKind::UserPassword)
        );
        assert_eq!(of("nothing", None).unwrap_err(), "there is no field nothing");
        assert_eq!(of("password", Some("odd")).unwrap_err(), "field odd has a `:`, which no user may have");
        assert!(!of("bad", None).unwrap_err().contains('x'));
    }
}
