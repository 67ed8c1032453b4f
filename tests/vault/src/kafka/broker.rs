use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use svidgate_tests::pki::{Authority, san_dns};
use svidgate_tests::{Folder, Process, free_port};

use super::java;

/// One broker that is its own controller (`KRaft`).
#[derive(Debug)]
pub struct Broker {
    _server: Process,
    port: u16,
    folder: PathBuf,
}

impl Broker {
    /// Starts one on free ports, and waits until it listens.
    pub fn start(folder: &Folder) -> Self {
        let authority = Authority::of("kafka");
        let certificate = authority.issue("broker", &[san_dns("localhost")]);
        folder.write(CA, &authority.pem());
        let (port, controller_port) = (free_port(), free_port());
        let keys = secret_file(folder, "kafka-broker.pem", &(certificate.key_pem() + &certificate.pem()));
        let settings = settings(folder.path(), &keys, port, controller_port);
        let settings = secret_file(folder, "kafka-server.properties", &settings);
        format_storage(folder, &settings);
        let mut command = java();
        command.arg("kafka.Kafka").arg(settings);
        let mut server = Process::start("kafka", command, folder.path());
        server.poll("the broker listens", START, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        Self { _server: server, port, folder: folder.path().to_owned() }
    }

    /// Where clients connect to.
    pub fn bootstrap(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The authority of its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join(CA)
    }

    /// Settings of a client that may do everything.
    pub(super) fn superuser(&self, folder: &Folder) -> PathBuf {
        let text = format!(
            "bootstrap.servers={bootstrap}\n\
             security.protocol=SASL_SSL\n\
             sasl.mechanism=SCRAM-SHA-512\n\
             sasl.jaas.config={login}\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={ca}\n\
             # Otherwise it looks for a broker that has gone without a pause, with a line in the log each time.\n\
             metadata.recovery.strategy=none\n",
            bootstrap = self.bootstrap(),
            login = superuser_login(),
            ca = self.ca_file().display(),
        );
        secret_file(folder, "kafka-superuser.properties", &text)
    }
}

fn settings(folder: &Path, keys: &Path, port: u16, controller_port: u16) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@localhost:{controller_port}\n\
         listeners=CLIENTS://localhost:{port},CONTROLLER://localhost:{controller_port}\n\
         listener.security.protocol.map=CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=CLIENTS\n\
         controller.listener.names=CONTROLLER\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512\n\
         listener.name.clients.scram-sha-512.sasl.jaas.config={login}\n\
         connections.max.reauth.ms={LOG_IN_AGAIN_MS}\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={keys}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={ca}\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         # Nobody is anonymous but the broker itself, on the controller's port.\n\
         super.users=User:operator;User:ANONYMOUS\n\
         auto.create.topics.enable=false\n\
         log.dirs={data}\n",
        login = superuser_login(),
        keys = keys.display(),
        ca = folder.join(CA).display(),
        data = folder.join("kafka").display(),
    )
}

fn superuser_login() -> String {
    format!(
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"operator\" \
         password=\"{SUPERUSER_PASSWORD}\";"
    )
}

/// Makes the storage, with the first user in it.
fn format_storage(folder: &Folder, settings: &Path) {
    // The arguments are in a file, for the process list shows the others.
    let arguments = format!(
        "format\n--cluster-id\nc3ZpZGdhdGUtdGVzdHM5OQ\n--config\n{}\n--add-scram\n\
         SCRAM-SHA-512=[name=operator,password={SUPERUSER_PASSWORD}]\n",
        settings.display(),
    );
    let arguments = secret_file(folder, "kafka-format.arguments", &arguments);
    let mut command = java();
    command.arg("kafka.tools.StorageTool").arg(format!("@{}", arguments.display()));
    let output = command.output().expect("java");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(arguments).expect("it was there");
}

fn secret_file(folder: &Folder, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path).expect("a new file");
    file.write_all(content.as_bytes()).expect("its content");
    path
}

const CA: &str = "kafka-ca.pem";
/// The password of the superuser `operator`.
const SUPERUSER_PASSWORD: &str = "operator-of-a-test-";
/// Each connection has to log in again after this time: a password that is void ends it then.
const LOG_IN_AGAIN_MS: u32 = 2_000;
const START: Duration = Duration::from_secs(120);
