use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use zeroize::Zeroizing;

use super::folder::{self, Member};
use super::write::{self, Outcome};
use crate::config::{Content, Owner, Target};

fn put(path: &Path, text: &str, mode: u32) -> Outcome {
    write::file(path, text.as_bytes(), mode, Owner::default(), || Ok(())).unwrap()
}

#[test]
fn h12_a_file_is_replaced_whole_and_only_when_it_is_to_be_different() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.uri");
    assert_eq!(put(&path, "one", 0o600), Outcome::Made);
    let first = fs::metadata(&path).unwrap();
    assert_eq!(first.mode() & 0o7777, 0o600);
    assert_eq!(put(&path, "one", 0o600), Outcome::Unchanged);
    assert_eq!(fs::metadata(&path).unwrap().ino(), first.ino());
    let mut open = fs::File::open(&path).unwrap();
    assert_eq!(put(&path, "two", 0o640), Outcome::Replaced);
    let mut seen = String::new();
    std::io::Read::read_to_string(&mut open, &mut seen).unwrap();
    assert_eq!(seen, "one", "who has it open reads on what was there");
    assert_eq!(
        (fs::read_to_string(&path).unwrap().as_str(), fs::metadata(&path).unwrap().mode() & 0o7777),
        ("two", 0o640)
    );
    // Another mode or content of somebody else's is mended.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(put(&path, "two", 0o640), Outcome::Replaced);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn a_link_is_replaced_and_never_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, victim) = (folder.path().join("x"), folder.path().join("victim"));
    fs::write(&victim, "before").unwrap();
    symlink(&victim, &path).unwrap();
    assert_eq!(put(&path, "secret", 0o600), Outcome::Replaced);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "before");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    fs::create_dir(folder.path().join("d")).unwrap();
    assert!(write::file(&folder.path().join("d"), b"x", 0o600, Owner::default(), || Ok(())).is_err());
    assert!(write::file(&folder.path().join("none/x"), b"x", 0o600, Owner::default(), || Ok(())).is_err());
}

#[test]
fn what_fails_before_it_shows_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    put(&path, "one", 0o600);
    let failed = write::file(&path, b"two", 0o600, Owner::default(), || Err(std::io::Error::other("no")));
    assert!(failed.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn h12_files_of_a_folder_change_all_at_once() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("tls");
    let set = |certificate: &str, key: &str| {
        let member = |name: &str, text: &str, mode| Member {
            name: name.to_owned(),
            bytes: Zeroizing::new(text.as_bytes().to_vec()),
            mode,
        };
        let members = [member("tls.crt", certificate, 0o644), member("tls.key", key, 0o600)];
        folder::set(&path, &members, Owner::default(), || Ok(())).unwrap()
    };
    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    assert_eq!(set("c1", "k1"), Outcome::Made);
    assert_eq!((read("tls.crt"), read("tls.key")), ("c1".to_owned(), "k1".to_owned()));
    assert_eq!(fs::metadata(path.join("tls.key")).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(set("c1", "k1"), Outcome::Unchanged);
    // A reader that went through `..data` once.
    let state = path.join(fs::read_link(path.join("..data")).unwrap());
    let before = fs::File::open(state.join("tls.key")).unwrap();
    assert_eq!(set("c2", "k2"), Outcome::Replaced);
    assert_eq!((read("tls.crt"), read("tls.key")), ("c2".to_owned(), "k2".to_owned()));
    assert_eq!(std::io::read_to_string(before).unwrap(), "k1");
    assert!(!state.exists(), "the old state is gone");
    assert_eq!(fs::read_dir(&path).unwrap().count(), 4, "two links, ..data and one state");
}

#[test]
fn a_note_is_made_where_nobody_put_something_and_never_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::File {
        path: folder.path().join("x"),
        content: Content::Template(String::new()),
        mode: 0o600,
    };
    let (note, victim) = (write::note(&target), folder.path().join("victim"));
    assert!(!write::has_note(&target));
    write::take_note(&note).unwrap();
    write::take_note(&note).unwrap();
    assert!(write::has_note(&target));
    assert_eq!(fs::metadata(&note).unwrap().mode() & 0o7777, 0o600);
    fs::remove_file(&note).unwrap();
    fs::write(&victim, "before").unwrap();
    symlink(&victim, &note).unwrap();
    write::take_note(&note).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "before");
    fs::remove_file(&victim).unwrap();
    assert!(write::has_note(&target), "whatever it is");
    write::take_note(&note).unwrap();
    assert!(!victim.exists());
}

#[test]
fn what_a_process_before_us_left_half_done_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = Target::File {
        path: folder.path().join("db.uri"),
        content: Content::Template(String::new()),
        mode: 0o600,
    };
    for name in [".db.uri.svidgate-new-aB3", ".db.uri.svidgate-hook-due", ".db.svidgate-new-x", "db.uri"] {
        fs::write(folder.path().join(name), "secret").unwrap();
    }
    write::clean(&file);
    let mut left = write::names(folder.path());
    left.sort();
    assert_eq!(left, [".db.svidgate-new-x", ".db.uri.svidgate-hook-due", "db.uri"]);

    let path = folder.path().join("set");
    let member = Member { name: "a".to_owned(), bytes: Zeroizing::new(b"1".to_vec()), mode: 0o600 };
    folder::set(&path, &[member], Owner::default(), || Ok(())).unwrap();
    fs::create_dir(path.join("..state-old")).unwrap();
    fs::write(path.join("..state-old/a"), "secret").unwrap();
    symlink("..state-old", path.join("..new-..data")).unwrap();
    write::clean(&Target::Folder { path: path.clone(), contents: Default::default() });
    assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "1");
    assert_eq!(fs::read_dir(&path).unwrap().count(), 3, "a link, ..data and one state");
}
