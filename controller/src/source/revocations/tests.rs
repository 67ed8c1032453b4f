use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use svidgate_jwt_svid::TrustDomain;
use svidgate_snapshot::Snapshot;

use super::*;
use crate::store::{Event, Message};

/// In milliseconds.
const NOW: u64 = 1_764_072_000_000;
const NOW_SECONDS: u64 = NOW / 1000;

struct Fixture {
    folder: tempfile::TempDir,
    limits: Limits,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), limits: Limits::default() }
    }

    fn state_file(&self) -> PathBuf {
        self.folder.path().join("state/revocations.json")
    }

    fn list_file(&self) -> PathBuf {
        self.folder.path().join("list.yaml")
    }

    /// Writes the file of the operator, as of `seconds`.
    fn write(&self, text: &str, seconds: u64) {
        let path = self.list_file();
        std::fs::write(&path, text).unwrap();
        let modified = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    }

    fn start(&self, file: bool, state: bool) -> anyhow::Result<(Arc<Revoker>, Arc<Store>)> {
        let settings = config::Revocations {
            file: file.then(|| self.list_file()),
            state_file: state.then(|| self.state_file()),
        };
        let store = Arc::new(Store::new(self.limits));
        store.apply(Event::Message(Message::default()), NOW);
        let revoker = Revoker::start(&settings, self.limits, Arc::clone(&store), NOW)?;
        Ok((revoker.expect("a source"), store))
    }
}

fn list(kids: &[&str]) -> Revocations {
    let mut list = Revocations::default();
    for kid in kids {
        list.add_kid(TrustDomain::parse("a.test").unwrap(), kid).unwrap();
    }
    list
}

fn jti(jti: &str, expires_at: u64) -> Revocations {
    let mut list = Revocations::default();
    list.add_jti(TrustDomain::parse("a.test").unwrap(), jti, UnixTime(expires_at)).unwrap();
    list
}

fn removal(kid: &str) -> Removal {
    Removal::Kid(TrustDomain::parse("a.test").unwrap(), kid.to_owned())
}

/// What filters are given, and as of when.
fn given(store: &Store) -> (Revocations, Option<u64>) {
    let snapshot = Snapshot::decode(&store.snapshot().unwrap().bytes, &Limits::default()).unwrap();
    (snapshot.revocations(&Limits::default()).unwrap(), snapshot.observed().revoked)
}

fn yaml(kids: &[&str]) -> String {
    let kids: Vec<_> = kids.iter().map(|kid| json!({"trust_domain": "a.test", "kid": kid})).collect();
    json!({ "kids": kids }).to_string()
}

#[test]
fn without_a_source_nothing_is_said_about_revocations() {
    let store = Arc::new(Store::new(Limits::default()));
    store.apply(Event::Message(Message::default()), NOW);
    let revoker = Revoker::start(&config::Revocations::default(), Limits::default(), Arc::clone(&store), NOW);
    assert!(revoker.unwrap().is_none());
    assert_eq!(given(&store), (Revocations::default(), None));
}

#[test]
fn what_came_over_the_admin_socket_is_on_disk_before_it_counts_and_outlives_a_restart() {
    let fixture = Fixture::new();
    let (revoker, store) = fixture.start(false, true).unwrap();
    assert_eq!(given(&store), (Revocations::default(), Some(0)));
    let change = revoker.add(&list(&["1"]), NOW + 5).unwrap();
    assert_eq!(change, Change { changed: true, expired: 0 });
    assert_eq!(given(&store), (list(&["1"]), Some(NOW + 5)));
    assert!(!revoker.add(&list(&["1"]), NOW + 6).unwrap().changed);
    assert_eq!(given(&store).1, Some(NOW + 5), "nothing changed, so neither did the time");
    let mode = std::fs::metadata(fixture.state_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(fixture.state_file().parent().unwrap()).unwrap().count(), 1);

    let (revoker, store) = fixture.start(false, true).unwrap();
    // The later clock of the restart is not the time of the list.
    assert_eq!(given(&store), (list(&["1"]), Some(NOW + 5)));
    revoker.replace(list(&["2"]), NOW + 10).unwrap();
    revoker.remove(&[removal("2")], NOW + 11).unwrap();
    assert!(matches!(revoker.remove(&[removal("2")], NOW + 12), Err(RevokeError::NotThere)));
    assert_eq!(given(&store), (Revocations::default(), Some(NOW + 11)));
    let (_, store) = fixture.start(false, true).unwrap();
    assert!(given(&store).0.is_empty(), "a pardon outlives it too");
}

#[test]
fn what_cannot_be_written_down_does_not_count() {
    let fixture = Fixture::new();
    let (revoker, store) = fixture.start(false, true).unwrap();
    revoker.add(&list(&["1"]), NOW).unwrap();
    let folder = fixture.state_file().parent().unwrap().to_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    let error = revoker.add(&list(&["2"]), NOW + 1).unwrap_err();
    assert!(matches!(error, RevokeError::NotWritten { .. }), "{error}");
    assert!(error.to_string().ends_with("; nothing was changed"), "{error}");
    assert_eq!(given(&store).0, list(&["1"]));
    assert_eq!(revoker.listed().own, list(&["1"]));
}

#[test]
fn a_state_file_that_cannot_be_used_ends_the_start_and_says_why() {
    let fixture = Fixture::new();
    let folder = fixture.state_file().parent().unwrap().to_owned();
    std::fs::create_dir(&folder).unwrap();
    for bad in [
        "",
        "{}",
        r#"{"format":2,"changed_at":1,"revocations":{}}"#,
        r#"{"format":1,"changed_at":1,"revocations":{"kids":1}}"#,
    ] {
        std::fs::write(fixture.state_file(), bad).unwrap();
        let error = format!("{:#}", fixture.start(false, true).unwrap_err());
        assert!(
            error.contains("revocations.json: cannot be used") && error.contains("let in again"),
            "{error}"
        );
    }
    std::fs::write(fixture.state_file(), r#"{"format":1,"changed_at":1,"revocations":{}}"#).unwrap();
    fixture.start(false, true).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let error = format!("{:#}", fixture.start(false, true).unwrap_err());
    assert!(error.contains("take revocations back"), "{error}");
}

#[test]
fn a_file_is_followed_and_joined_with_what_came_over_the_admin_socket() {
    let fixture = Fixture::new();
    fixture.write(&yaml(&["f1"]), NOW_SECONDS - 100);
    let (revoker, store) = fixture.start(true, true).unwrap();
    assert_eq!(given(&store), (list(&["f1"]), Some(NOW - 100_000)), "as of the file's own time");
    revoker.add(&list(&["s1"]), NOW).unwrap();
    assert_eq!(given(&store), (list(&["f1", "s1"]), Some(NOW)));
    fixture.write(&yaml(&["f1", "f2"]), NOW_SECONDS + 1);
    revoker.look(NOW + 2_000);
    assert_eq!(given(&store), (list(&["f1", "f2", "s1"]), Some(NOW + 1_000)));
    let revision = store.revision();
    // The same list in other words, however new.
    fixture.write(&format!("# a comment\n{}", yaml(&["f2", "f1"])), NOW_SECONDS + 3);
    revoker.look(NOW + 4_000);
    assert_eq!((store.revision(), given(&store).1), (revision, Some(NOW + 1_000)));
    // An older file replaces it: that is a later change all the same.
    fixture.write(&yaml(&["f2"]), NOW_SECONDS - 5_000);
    revoker.look(NOW + 5_000);
    assert_eq!(given(&store), (list(&["f2", "s1"]), Some(NOW + 1_001)));
    let error = revoker.remove(&[removal("f2")], NOW + 6_000).unwrap_err();
    assert!(matches!(&error, RevokeError::InFile { count: 1, .. }), "{error}");
    fixture.write("", NOW_SECONDS + 7);
    revoker.look(NOW + 8_000);
    assert_eq!(given(&store).0, list(&["s1"]), "an empty file is an empty list");
}

#[test]
fn a_bad_file_never_replaces_a_good_list_and_shows() {
    let fixture = Fixture::new();
    fixture.write(&yaml(&["1"]), NOW_SECONDS);
    let (revoker, store) = fixture.start(true, false).unwrap();
    let error = |store: &Store| store.state().revoked.unwrap().file_error;
    assert_eq!(error(&store), None);
    fixture.write(
        "kids: [{trust_domain: A, kid: ''}, {kid: x, more: 1}]\nsubject: []\njti: [1]\n",
        NOW_SECONDS + 1,
    );
    revoker.look(NOW + 1_000);
    assert_eq!(given(&store).0, list(&["1"]));
    let text = error(&store).unwrap();
    for mistake in [
        "list.yaml: kids[0].trust_domain: ",
        "list.yaml: kids[0].kid: must not be empty",
        "list.yaml: kids[1].trust_domain: is required",
        "list.yaml: kids[1].more: unknown field",
        "list.yaml: jti: unknown field; did you mean `jtis`?",
    ] {
        assert!(text.contains(mistake), "{mistake} is not in {text}");
    }
    revoker.look(NOW + 2_000);
    assert_eq!(store.state().revoked.unwrap().file_errors, 1, "once, not each second");
    std::fs::remove_file(fixture.list_file()).unwrap();
    revoker.look(NOW + 3_000);
    assert!(error(&store).unwrap().contains("cannot be read"));
    assert_eq!(store.state().revoked.unwrap().file_errors, 2);
    assert_eq!(given(&store).0, list(&["1"]));
    // The old content again, or another one.
    fixture.write(&yaml(&["1"]), NOW_SECONDS);
    revoker.look(NOW + 4_000);
    assert_eq!((error(&store), given(&store).0), (None, list(&["1"])));
    fixture.write("kids: [", NOW_SECONDS + 5);
    revoker.look(NOW + 5_000);
    assert!(error(&store).is_some());
    fixture.write(&yaml(&["2"]), NOW_SECONDS + 6);
    revoker.look(NOW + 6_000);
    assert_eq!((error(&store), given(&store).0), (None, list(&["2"])));
}

#[test]
fn a_file_that_is_bad_or_missing_at_the_start_ends_it() {
    let fixture = Fixture::new();
    let error = format!("{:#}", fixture.start(true, false).unwrap_err());
    assert!(error.contains("list.yaml: cannot be read"), "{error}");
    fixture.write("kids: 1", NOW_SECONDS);
    let error = format!("{:#}", fixture.start(true, false).unwrap_err());
    assert!(error.contains("list.yaml: kids: expected a list"), "{error}");
}

#[test]
fn tokens_leave_the_list_five_minutes_after_their_expiry_which_is_no_change() {
    let fixture = Fixture::new();
    let (revoker, store) = fixture.start(false, true).unwrap();
    let mut both = jti("dies", NOW_SECONDS + 10);
    both.add_all(&jti("lives", NOW_SECONDS + 1_000));
    revoker.add(&both, NOW).unwrap();
    for (later, left) in [(310, 2), (311, 1), (1_301, 0)] {
        revoker.look(NOW + later * 1000);
        assert_eq!(given(&store).0.len(), left, "{later}");
        assert_eq!(given(&store).1, Some(NOW), "of two replicas none seems newer");
    }
    let change = revoker.add(&jti("old", NOW_SECONDS + 1_000), NOW + 1_301_000).unwrap();
    assert_eq!(change, Change { changed: false, expired: 1 });
}

#[test]
fn when_full_nothing_changes_and_the_error_names_limit_and_actual() {
    let mut fixture = Fixture::new();
    fixture.limits.max_revocations = 3;
    fixture.write(&yaml(&["f"]), NOW_SECONDS);
    let (revoker, store) = fixture.start(true, true).unwrap();
    revoker.add(&list(&["1", "2"]), NOW).unwrap();
    let before = given(&store);
    for error in [
        revoker.add(&list(&["3"]), NOW + 1).unwrap_err(),
        revoker.replace(list(&["3", "4", "5"]), NOW + 1).unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "there are 4 revocations, more than the limit of 3; nothing was changed"
        );
    }
    fixture.write(&yaml(&["f", "g"]), NOW_SECONDS + 1);
    revoker.look(NOW + 2_000);
    assert!(store.state().revoked.unwrap().file_error.unwrap().contains("more than the limit of 3"));
    assert_eq!(given(&store), before);
    // Room again: what was refused of the file is taken.
    revoker.remove(&[removal("1")], NOW + 3_000).unwrap();
    revoker.look(NOW + 4_000);
    assert_eq!(given(&store).0, list(&["2", "f", "g"]));
    assert_eq!(store.state().revoked.unwrap().file_error, None);
}

#[test]
fn p12_a_clock_that_steps_back_gives_out_no_time_of_the_future_and_no_two_changes_of_one_time() {
    const HOUR: u64 = 3_600_000;
    let fixture = Fixture::new();
    fixture.write(&yaml(&["f"]), NOW_SECONDS + 7_200);
    let (revoker, store) = fixture.start(true, true).unwrap();
    assert_eq!(given(&store).1, Some(NOW), "a file of the future is as of now");
    revoker.add(&list(&["1"]), NOW).unwrap();
    revoker.add(&list(&["2"]), NOW).unwrap();
    revoker.add(&list(&["3"]), NOW - 30_000).unwrap();
    assert_eq!(given(&store).1, Some(NOW + 3));
    revoker.add(&list(&["4"]), NOW - HOUR).unwrap();
    assert_eq!(given(&store).1, Some(NOW - HOUR), "a clock that was an hour ahead was wrong");
    store.apply(Event::Message(Message::default()), NOW - 3 * HOUR);
    assert_eq!(given(&store).1, Some(NOW - 3 * HOUR));
}

#[test]
fn a_list_of_the_greatest_length_is_read_from_a_file_in_time() {
    let fixture = Fixture::new();
    let kids: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let kids: Vec<&str> = kids.iter().map(String::as_str).collect();
    fixture.write(&yaml(&kids[..9_000]), NOW_SECONDS);
    let (revoker, store) = fixture.start(true, false).unwrap();
    assert_eq!(given(&store).0.len(), 9_000);
    fixture.write(&yaml(&kids), NOW_SECONDS + 1);
    revoker.look(NOW + 2_000);
    let revoked = store.state().revoked.unwrap();
    assert_eq!((revoked.list.len(), revoked.file_error), (10_000, None));
}
