//! How readers are told.

use std::process::{Child, Command};

use serde_json::json;

use crate::Setup;
use crate::support::{DEADLINE, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn hooks_send_signals_to_a_pid_file_and_to_a_program_and_call_http() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.put("app/x", json!({"v": "1"})));
    // A program of a name of its own, which notes each signal. Not HUP: where that was ignored at the start, as under
    // `nohup`, a shell cannot trap it.
    let program = setup.path("svidgate-reader");
    std::fs::copy("/bin/sh", &program).unwrap();
    let script =
        "trap 'echo got >> $0' USR2; trap 'echo got >> $1' USR1; echo up > $2; while :; do sleep 0.05; done";
    let reader = |name: &str| {
        let names = ["usr2", "usr1", "up"].map(|what| setup.path(&format!("{name}-{what}")));
        let child = Command::new(&program).arg("-c").arg(script).args(names).spawn().unwrap();
        Reader(child)
    };
    let (by_file, by_name) = (reader("a"), reader("b"));
    std::fs::write(setup.path("pid"), format!("{}\n", by_file.0.id())).unwrap();
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    for name in ["a", "b"] {
        eventually("the reader is up", || async { setup.read(&format!("{name}-up")).is_some() }).await;
    }
    let file = |name: &str, hook: &str| {
        format!(
            "- {{path: DIR/{name}, template: '{{{{ secrets.x.v }}}}', hook: {{on_first_write: true, {hook}}}}}\n"
        )
    };
    let settings = setup.settings(
        "",
        &format!(
            "secrets: {{x: {{kv: {{path: app/x}}}}}}\nfiles:\n{}{}{}",
            file("one", "signal: USR2, pid_file: DIR/pid"),
            file("two", "signal: USR1, process: svidgate-reader"),
            file("three", &format!("http: {{url: 'http://127.0.0.1:{port}/reload?x=1'}}")),
        ),
    );
    let _controller = setup.start(&settings, &[]).await;
    let (mut stream, _) = tokio::time::timeout(DEADLINE, server.accept()).await.unwrap().unwrap();
    let mut line = vec![0; 22];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut line).await.unwrap();
    assert_eq!(String::from_utf8(line).unwrap(), "POST /reload?x=1 HTTP/");
    eventually("USR2 came by the file", || async { setup.read("a-usr2").is_some() }).await;
    eventually("USR1 came by the name", || async { setup.read("b-usr1").is_some() }).await;
    assert!(setup.read("b-usr2").is_none(), "the file names the other one");
    drop(by_name);
}

struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
