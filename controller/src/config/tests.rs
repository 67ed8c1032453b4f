use std::io::Write as _;
use std::path::PathBuf;

use spiffe::transport::Endpoint;
use tracing::level_filters::LevelFilter;

use super::{Config, ConfigError, Environment, LogFormat, Revocations, load};

fn parse(yaml: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    let environment: Environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(Some(file.path()), &environment)
}

const AGENT: &str = "workload_api: {socket: unix:///run/spire/agent.sock}\n";

#[test]
fn defaults_apply_and_are_the_documented_ones() {
    let config = parse(AGENT, &[]).unwrap();
    assert_eq!(agent(&config), Some(Endpoint::Unix(PathBuf::from("/run/spire/agent.sock"))));
    assert_eq!(config.server.socket, PathBuf::from("/run/svidgate/controller.sock"));
    assert_eq!(config.server.mode, 0o660);
    assert_eq!(config.server.allowed_uids, None);
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LevelFilter::INFO));
}

#[test]
fn every_error_is_reported_at_once_with_its_path() {
    let error = parse(
        "workload_api: {socket: agent.sock}\n\
         server: {sockt: /run/x.sock, mode: 0660, allowed_uids: [0, -1, root]}\n\
         log: {format: xml, level: 3}\n\
         tls: {}\n",
        &[],
    )
    .unwrap_err();
    assert_eq!(
        error.mistakes,
        [
            "workload_api.socket: endpoint socket is not a valid URI; expected unix: with an absolute path \
             (unix:///run/spire/sockets/agent.sock) or tcp: with IP and port (tcp:127.0.0.1:8081)",
            "server.mode: expected octal digits in quotes, such as \"0660\"",
            "server.allowed_uids[1]: expected a whole number that is not negative, found a number",
            "server.allowed_uids[2]: expected a whole number that is not negative, found a string",
            "server.sockt: unknown field; did you mean `socket`?",
            "log.format: expected json or text",
            "log.level: expected a string, found a number",
            "tls: unknown field; known here: credential_keys, credentials, files, log, revocations, secrets, server, vault, workload_api",
        ]
    );
    assert_eq!(error.to_string().lines().count(), 8);
}

#[test]
fn a_key_that_comes_twice_is_an_error() {
    for yaml in ["log: {level: info}\nlog: {level: debug}\n", "log: {level: info, level: debug}\n"] {
        let error = parse(yaml, &[]).unwrap_err();
        assert!(error.to_string().contains("duplicate"), "{error}");
    }
}

#[test]
fn text_that_is_no_yaml_is_an_error_with_its_place() {
    let error = parse("log: {level: info\n", &[]).unwrap_err();
    assert!(error.to_string().contains("line"), "{error}");
    assert!(parse("- a\n- b\n", &[]).is_err());
    assert!(load(Some(std::path::Path::new("/nonexistent/svidgate.yaml")), &Environment::default()).is_err());
}

#[test]
fn the_environment_overrides_the_file_and_is_enough_without_one() {
    let environment = [
        ("SVIDGATE_WORKLOAD_API_SOCKET", "tcp:127.0.0.1:8081"),
        ("SVIDGATE_SERVER_SOCKET", "/tmp/s.sock"),
        ("SVIDGATE_SERVER_MODE", "0600"),
        ("SVIDGATE_SERVER_ALLOWED_UIDS", "0, 101"),
        ("SVIDGATE_LOG_FORMAT", "text"),
        ("SVIDGATE_LOG_LEVEL", "debug"),
    ];
    let owned: Environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for config in [parse(AGENT, &environment).unwrap(), load(None, &owned).unwrap()] {
        assert_eq!(agent(&config), Some(Endpoint::Tcp { host: [127, 0, 0, 1].into(), port: 8081 }));
        assert_eq!(config.server.socket, PathBuf::from("/tmp/s.sock"));
        assert_eq!(config.server.mode, 0o600);
        assert_eq!(config.server.allowed_uids, Some([0, 101].into()));
        assert_eq!((config.log.format, config.log.level), (LogFormat::Text, LevelFilter::DEBUG));
    }
}

#[test]
fn an_error_in_the_environment_names_the_variable() {
    let error = parse(AGENT, &[("SVIDGATE_LOG_LEVEL", "loud"), ("SVIDGATE_SERVER_ALLOWED_UIDS", "0,me")]);
    assert_eq!(
        error.unwrap_err().mistakes,
        [
            "server.allowed_uids[1]: expected a whole number that is not negative, found a string \
             (set by $SVIDGATE_SERVER_ALLOWED_UIDS)",
            "log.level: expected error, warn, info, debug or trace (set by $SVIDGATE_LOG_LEVEL)",
        ]
    );
}

#[test]
fn b7_the_standards_variable_is_a_fallback_and_no_override() {
    let standard = [("SPIFFE_ENDPOINT_SOCKET", "unix:///run/other.sock")];
    let config = parse("", &standard).unwrap();
    assert_eq!(agent(&config), Some(Endpoint::Unix(PathBuf::from("/run/other.sock"))));
    let config = parse(AGENT, &standard).unwrap();
    assert_eq!(agent(&config), Some(Endpoint::Unix(PathBuf::from("/run/spire/agent.sock"))));
    let error = parse("", &[("SPIFFE_ENDPOINT_SOCKET", "")]).unwrap_err();
    assert_eq!(
        error.mistakes,
        [
            "workload_api.socket: is required, or $SPIFFE_ENDPOINT_SOCKET in the environment, by: giving bundles to filters, \
          for there are no `files` and no `credentials`"
        ]
    );
}

#[test]
fn the_workload_api_may_be_absent_where_nothing_takes_anything_from_it() {
    let vault = "vault: {address: 'https://vault:8200', auth: {token: {file: /run/token}}}\n\
                 secrets: {db: {database: {role: app}}}\n";
    let file = "files: [{path: /run/a/f, template: '{{ secrets.db.password }}'}]\n";
    let credential = "credential_keys: {edge: /run/edge.key}\n\
                      credentials: {db: {secret: {name: db, field: password}, subscribers: [{uid: 101}]}}\n";
    for rest in [file, credential] {
        let config = parse(&format!("{vault}{rest}"), &[]).unwrap();
        assert_eq!(agent(&config), None);
    }
    let other = vault.replace("token: {file: /run/token}", "LOGIN");
    let cases = [
        (vault.to_owned(), "giving bundles to filters, for there are no `files` and no `credentials`"),
        (format!("{}{file}", other.replace("LOGIN", "jwt: {audience: vault}")), "vault.auth.jwt"),
        (format!("{}{file}", other.replace("LOGIN", "cert: {}")), "vault.auth.cert"),
        (
            format!(
                "{vault}{credential}files:\n- {{path: /run/a/f, template: '{{{{ secrets.db.password }}}}'}}\n\
                 - {{path: /run/a/g, template: '{{{{ svid.bundle }}}}'}}\n- {{path: /run/a/h, x509: {{part: bundle}}}}\n"
            ),
            "files[1], files[2]",
        ),
        (
            "credential_keys: {edge: /run/edge.key}\n\
             credentials: {a: {jwt_svid: {audience: a}, subscribers: [{uid: 101}]}}\n"
                .to_owned(),
            "credentials.a.jwt_svid",
        ),
    ];
    for (settings, by) in cases {
        let error = parse(&settings, &[]).unwrap_err();
        let expected = format!(
            "workload_api.socket: is required, or $SPIFFE_ENDPOINT_SOCKET in the environment, by: {by}"
        );
        assert_eq!(error.mistakes, [expected], "{settings}");
        parse(&format!("{AGENT}{settings}"), &[]).unwrap();
    }
}

fn agent(config: &Config) -> Option<Endpoint> {
    config.workload_api.as_ref().map(|workload_api| workload_api.endpoint.clone())
}

#[test]
fn b7_only_absolute_unix_paths_and_ip_addresses_with_a_port_are_taken() {
    for good in ["unix:///a/b.sock", "unix:/a/b.sock", "tcp://127.0.0.1:1", "tcp:[::1]:80"] {
        parse(&format!("workload_api: {{socket: '{good}'}}"), &[]).unwrap();
    }
    for bad in [
        "/a/b.sock",
        "unix:a/b.sock",
        "unix://host/a.sock",
        "unix:///a/b.sock?x=1",
        "unix:///a/../b.sock",
        "unix:///a/./b.sock",
        "unix:///a b.sock",
        "tcp:localhost:80",
        "tcp:127.0.0.1",
        "tcp://user@127.0.0.1:80",
        "https://127.0.0.1:80",
        "",
    ] {
        assert!(parse(&format!("workload_api: {{socket: '{bad}'}}"), &[]).is_err(), "{bad}");
    }
}

#[test]
fn server_sockets_are_absolute_and_fit_the_kernels_limit() {
    let long = format!("/{}", "a".repeat(107));
    for bad in ["a.sock", "/run/../a.sock", "/", "", long.as_str()] {
        assert!(parse(AGENT, &[]).is_ok());
        let yaml = format!("{AGENT}server: {{socket: '{bad}'}}");
        assert!(parse(&yaml, &[]).is_err(), "{bad}");
    }
    for bad in ["660", "0o660", "1660", "0400", "888", ""] {
        let yaml = format!("{AGENT}server: {{mode: {bad}}}");
        // Only the quoted form is taken; here 660 is a number.
        assert_eq!(parse(&yaml, &[]).is_err(), !bad.is_empty(), "{bad}");
    }
    for bad in ["0o660", "1660", "0400", "888", "66"] {
        let yaml = format!("{AGENT}server: {{mode: '{bad}'}}");
        assert!(parse(&yaml, &[]).is_err(), "{bad}");
    }
}

#[test]
fn the_admin_socket_is_off_unless_set_and_brings_a_state_file_with_it() {
    let config = parse(AGENT, &[]).unwrap();
    assert_eq!(config.server.admin_socket, None);
    assert_eq!(config.revocations, Revocations::default());
    let config = parse(&format!("{AGENT}server: {{admin_socket: /run/svidgate/admin.sock}}"), &[]).unwrap();
    assert_eq!(config.server.admin_socket, Some(PathBuf::from("/run/svidgate/admin.sock")));
    assert_eq!(config.revocations.state_file, Some(PathBuf::from("/var/lib/svidgate/revocations.json")));
    let environment = [
        ("SVIDGATE_SERVER_ADMIN_SOCKET", "/tmp/a.sock"),
        ("SVIDGATE_REVOCATIONS_FILE", "/tmp/list.yaml"),
        ("SVIDGATE_REVOCATIONS_STATE_FILE", "/tmp/state.json"),
    ];
    let config = parse(AGENT, &environment).unwrap();
    assert_eq!(config.server.admin_socket, Some(PathBuf::from("/tmp/a.sock")));
    assert_eq!(
        config.revocations,
        Revocations { file: Some("/tmp/list.yaml".into()), state_file: Some("/tmp/state.json".into()) }
    );
}

#[test]
fn envoy_does_not_reach_the_admin_socket_by_mistake_and_paths_are_absolute() {
    let error = parse(
        &format!(
            "{AGENT}server: {{socket: /run/x.sock, admin_socket: /run/x.sock}}\nrevocations: {{file: l.yaml}}"
        ),
        &[],
    );
    assert_eq!(error.unwrap_err().mistakes, ["revocations.file: expected an absolute path without `..`"]);
    let error =
        parse(&format!("{AGENT}server: {{socket: /run/x.sock, admin_socket: 'unix:/run/x.sock'}}"), &[]);
    assert_eq!(
        error.unwrap_err().mistakes,
        ["server.admin_socket: is the same as server.socket, to which Envoy connects; take another path"]
    );
}

#[test]
fn credentials_have_one_source_known_subscribers_and_keys_that_exist() {
    let with = |rest: &str| parse(&format!("{AGENT}{rest}"), &[]).map_err(|error| error.mistakes);
    let keys = "credential_keys: {edge: /k}\n";
    let config = with(&format!(
        "{keys}credentials:\n  a: {{file: /f, subscribers: [{{uid: 1, key: edge}}]}}\n  \
         b: {{jwt_svid: {{audience: x}}, subscribers: [{{uid: 0}}]}}\n"
    ));
    let entries = config.unwrap().credentials.entries;
    let source = |name: &str| entries.get(name).unwrap().source.as_str();
    assert_eq!([source("a"), source("b")], ["file", "jwt_svid"]);
    for (rest, mistake) in [
        (
            "credentials: {a: {file: /f, subscribers: [{uid: 1}]}}",
            "credential_keys: is required: `credentials` are given to nobody in plain text",
        ),
        (
            "credential_keys: {edge: /k}\ncredentials: {a: {file: /f, subscribers: [{uid: 1, key: other}]}}",
            "credentials.a.subscribers[0].key: there is no `other` in credential_keys",
        ),
        (
            "credential_keys: {edge: /k}\nserver: {allowed_uids: [2]}\n\
             credentials: {a: {file: /f, subscribers: [{uid: 2}, {uid: 1}]}}",
            "credentials.a.subscribers[1].uid: is not in server.allowed_uids, so it cannot connect",
        ),
        (
            "credential_keys: {edge: /k}\ncredentials: {a: {file: /f}}",
            "credentials.a: has no `subscribers`: nobody could ever have it",
        ),
        (
            "credential_keys: {edge: /k}\ncredentials: {a: {subscribers: [{uid: 1}]}}",
            "credentials.a.jwt_svid: is required: jwt_svid, file or secret",
        ),
        (
            "credential_keys: {edge: /k}\ncredentials: {a: {secret: {name: db}, subscribers: [{uid: 1}]}}",
            "credentials.a.secret.name: `db` is not among `secrets`",
        ),
        (
            "credential_keys: {edge: /k}\ncredentials: {A: {file: /f, subscribers: [{uid: 1}]}}",
            "credentials.A: a name must be 1 to 64 of a-z, 0-9, `_`, `.` and `-`, the first a letter or digit",
        ),
    ] {
        assert_eq!(with(rest).unwrap_err(), [mistake]);
    }
}

const VAULT: &str = "vault: {address: 'https://v.test:8200', auth: {kubernetes: {role: app}}}\n";

#[test]
fn b10_vaults_defaults_are_the_documented_ones() {
    let config = parse(&format!("{AGENT}{VAULT}"), &[]).unwrap();
    let vault = config.vault.unwrap();
    assert!(!vault.fail_open);
    assert_eq!((vault.timing.fraction, vault.timing.grace.as_secs()), (0.8, 30));
    assert_eq!(vault.timing.at_shutdown, svidgate_vault::AtShutdown::Leave);
    assert_eq!((vault.settings.breaker.failures, vault.settings.request_timeout.as_secs()), (5, 10));
    let config = parse(AGENT, &[("SVIDGATE_VAULT_ADDRESS", "https://v.test")]).unwrap_err();
    assert_eq!(config.mistakes, ["vault.auth: is required; which login?"]);
}

#[test]
fn every_mistake_about_vault_secrets_and_files_is_reported_at_once() {
    let error = parse(
        &format!(
            "{AGENT}
vault:
  address: http://vault.test:8200
  auth: {{approle: {{role_id: hunter2, secret_id: {{file: /s, environment: S}}}}, token: {{file: /t}}}}
  renew_at: 2
secrets:
  token: {{kv: {{path: a}}}}
  db: {{database: {{rol: x}}}}
  two: {{kv: {{path: a/../b}}, pki: {{role: r, common_name: c}}}}
files:
- path: relative
  template: x
  pgpass: {{secret: db}}
- folder: /run/a
  mode: '0666'
- path: /run/b
  template: x
  hook: {{signal: HUP, command: [a]}}
"
        ),
        &[],
    )
    .unwrap_err();
    assert_eq!(
        error.mistakes,
        [
            "vault.address: must use https: tokens and secrets would cross the network in the clear",
            "vault.auth.approle.role_id: expected an object, found a string",
            "vault.auth.approle.secret_id.environment: only one may be there of file or environment",
            "vault.auth.token: only one may be there of kubernetes, jwt, approle, cert or token",
            "vault.renew_at: must be from 0.1 to 0.95, is 2",
            "secrets.db.database.role: is required",
            "secrets.db.database.rol: unknown field; did you mean `role`?",
            "secrets.token: `token` is the name of the token of Vault; take another one",
            "secrets.two.kv.path: expected a path such as `team/app`, without a slash at its ends",
            "secrets.two.pki: only one may be there of kv, database, database_static or pki",
            "files[0].path: expected an absolute path without `..`",
            "files[0]: has more than one content; only one may be there of template, template_file, postgres_uri, pgpass, \
             mongodb_uri, kafka_client, redis_uri, etcd_client, x509",
            "files[1].mode: nobody but the owner may write to it",
            "files[1].mode: belongs to a single file (`path`), or into `contents`",
            "files[2].hook.command: only one may be there of signal, command or http",
        ]
    );
    assert!(!error.to_string().contains("hunter2"), "a secret in the wrong place is not repeated");
}

#[test]
fn what_vault_secrets_and_files_mean_together_is_checked() {
    let mistakes = |yaml: &str| parse(&format!("{AGENT}{yaml}"), &[]).unwrap_err().mistakes;
    assert_eq!(
        mistakes("secrets: {db: {kv: {path: a}}}\n"),
        ["secrets: needs `vault`, where they come from"]
    );
    assert_eq!(
        mistakes(&format!(
            "{VAULT}secrets: {{db: {{kv: {{path: a}}, fallback: {{file: /f}}}}, web: {{pki: {{role: r, common_name: c}}}}}}
files:
- {{path: /run/a, template: 'x {{{{ secrets.dbb.password }}}}'}}
- {{path: /run/b, template: '{{{{ secrets.db.password|nosuch }}}}'}}
- {{path: /run/c, pgpass: {{secret: web}}}}
- {{path: /run/d, x509: {{secret: db, part: pem}}}}
- {{folder: /run/e, contents: {{x: {{redis_uri: {{secret: none, host: h}}}}}}}}
- {{path: /run/e/y, template: x}}
- {{path: /run/a, template: x}}
"
        )),
        [
            "files[1].template: line 1: unknown filter: filter nosuch is unknown",
            "secrets.db.fallback: has no effect unless vault.fail_open is true, which is for development only",
            "files[0].template: uses secrets.dbb: `dbb` is not among `secrets`",
            "files[2].pgpass.secret: `web` is of kind pki, which does not fit",
            "files[3].x509.secret: `db` is of kind kv, which does not fit",
            "files[4].contents.x.redis_uri.secret: `none` is not among `secrets`",
            "files[5]: lies in the folder /run/e of another item",
            "files[6]: /run/a is written by another item as well",
        ]
    );
    let open = "vault: {address: 'http://127.0.0.1:8200', auth: {cert: {}}, fail_open: true}\nsecrets: {db: {kv: {path: a}}}\n";
    assert_eq!(
        mistakes(open),
        [
            "vault.auth.cert: needs an https address: a certificate is shown in TLS",
            "secrets.db.fallback: is required: vault.fail_open is true",
        ]
    );
}

#[test]
fn what_is_wrong_in_one_section_hides_nothing_of_another() {
    let mistakes = |yaml: &str| parse(&format!("{AGENT}{yaml}"), &[]).unwrap_err().mistakes;
    let files = "files: [{path: /run/a, template: '{{ secrets.x.y|nosuch }}'}]\n";
    let filter = "files[0].template: line 1: unknown filter: filter nosuch is unknown";
    assert_eq!(
        mistakes(&format!(
            "{VAULT}{files}credential_keys: {{k: /k}}
server: {{socket: /run/s, admin_socket: /run/s, allowed_uids: [2]}}
credentials: {{c: {{secret: {{name: none}}, subscribers: [{{uid: 1}}]}}}}
"
        )),
        [
            filter,
            "server.admin_socket: is the same as server.socket, to which Envoy connects; take another path",
            "credentials.c.secret.name: `none` is not among `secrets`",
            "credentials.c.subscribers[0].uid: is not in server.allowed_uids, so it cannot connect",
        ]
    );
    assert_eq!(mistakes(&format!("vault: {{}}\n{files}")).last().map(String::as_str), Some(filter));
}
