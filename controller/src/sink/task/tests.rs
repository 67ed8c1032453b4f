//! What becomes of a file when something fails around it.

use std::future::poll_fn;
use std::path::PathBuf;

use tokio::sync::watch;
use zeroize::Zeroizing;

use super::*;
use crate::config::{Action, Content, Owner};
use crate::source::x509::X509;

/// A file with the SPIFFE ID, which changes when the test says so, and a hook.
struct Setup {
    folder: tempfile::TempDir,
    svid: watch::Sender<Option<Arc<X509>>>,
    board: Arc<Board>,
}

impl Setup {
    fn new(command: &str, on_first_write: bool) -> (Self, Task) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        let command = command.replace("DIR", &folder.path().display().to_string());
        let (svid, receiver) = watch::channel(svid("one"));
        let board = Arc::new(Board::new(std::iter::once(path.as_path())));
        let source = "{{ svid.spiffe_id }}";
        let hook = Hook {
            action: Action::Command(vec!["/bin/sh".to_owned(), "-c".to_owned(), command]),
            timeout: Duration::from_secs(30),
            on_first_write,
        };
        let file = File {
            target: Target::File { path, content: Content::Template(source.to_owned()), mode: 0o600 },
            owner: Owner::default(),
            hook: Some(hook.clone()),
        };
        let templates = vec![(String::new(), Template::compile(source).unwrap())];
        let sources = Sources { svid: Some(receiver), ..Sources::default() };
        let task = Task::new(file, templates, Some(hook), sources, Arc::clone(&board));
        (Self { folder, svid, board }, task)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.path("id")).unwrap_or_default()
    }

    fn phase(&self) -> Phase {
        self.board.list().into_values().next().unwrap()
    }
}

fn svid(id: &str) -> Option<Arc<X509>> {
    Some(Arc::new(X509 {
        spiffe_id: id.to_owned(),
        certificate: String::new(),
        private_key: Zeroizing::default(),
        bundle: String::new(),
        bundles: std::collections::BTreeMap::new(),
    }))
}

async fn eventually(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn h13_a_file_that_was_removed_and_is_made_again_has_readers() {
    let (setup, task) = Setup::new("touch DIR/told", false);
    let task = tokio::spawn(task.run());
    eventually("it is written", || setup.phase() == Phase::Current).await;
    assert!(!setup.path("told").exists(), "nobody can have read it before");
    std::fs::remove_file(setup.path("id")).unwrap();
    setup.svid.send_replace(svid("two"));
    eventually("it is written again", || setup.read() == "two").await;
    eventually("who has read the first one is told", || setup.path("told").exists()).await;
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn h13_a_file_that_waits_while_its_hook_is_due_is_not_rendered_over_and_over() {
    let (setup, task) = Setup::new("exit 1", true);
    let (mut run, mut polls) = (Box::pin(task.run()), 0);
    let task = tokio::spawn(poll_fn(move |cx| {
        polls += 1;
        assert!(polls < 10_000, "it spins");
        run.as_mut().poll(cx)
    }));
    eventually("the hook fails", || matches!(setup.phase(), Phase::Hook(Some(_)))).await;
    setup.svid.send_replace(None);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(matches!(setup.phase(), Phase::Waiting(_)), "{:?}", setup.phase());
    assert!(!task.is_finished());
    setup.svid.send_replace(svid("one"));
    eventually("it is still due", || matches!(setup.phase(), Phase::Hook(Some(_)))).await;
    task.abort();
}

#[tokio::test]
async fn h13_a_folder_that_changed_before_it_failed_is_told_of_when_it_is_whole() {
    let (setup, mut task) = Setup::new("touch DIR/told", false);
    let content = Content::Template("{{ svid.spiffe_id }}".to_owned());
    let contents = [("name".to_owned(), (content, 0o600))].into_iter().collect();
    task.file.target = Target::Folder { path: setup.path("set"), contents };
    for (name, _) in &mut task.templates {
        "name".clone_into(name);
    }
    // A reader is there already, and something is in the way.
    std::fs::create_dir_all(setup.path("set/name/in-the-way")).unwrap();
    std::os::unix::fs::symlink("..state-0", setup.path("set/..data")).unwrap();
    let task = tokio::spawn(task.run());
    let shows = || std::fs::read_to_string(setup.path("set/..data/name")).is_ok_and(|text| text == "one");
    eventually("the state is there", shows).await;
    std::fs::remove_dir_all(setup.path("set/name")).unwrap();
    eventually("its readers are told", || setup.path("told").exists()).await;
    let states = write::names(&setup.path("set"));
    let states = states.iter().filter(|name| name.to_string_lossy().starts_with("..state-")).count();
    assert_eq!(states, 1, "each try leaves none behind");
    task.abort();
}
