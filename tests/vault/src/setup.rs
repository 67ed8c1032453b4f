use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};
use svidgate_tests::{Folder, OpenBao, Postgres, SUPERUSER_PASSWORD};
use svidgate_vault::{Client, Fixed, Login, Method, Metrics, SecretSource, Settings, Spec};

/// An OpenBao, and perhaps a PostgreSQL that it makes users in.
#[derive(Debug)]
pub struct Setup {
    /// With a policy `app`.
    pub bao: OpenBao,
    postgres: Option<Postgres>,
    // The last: processes go before it.
    folder: Folder,
}

impl Setup {
    /// Without a database.
    pub fn start() -> Self {
        Self::on(OpenBao::start)
    }

    fn on(start: impl FnOnce(&Folder) -> OpenBao) -> Self {
        let folder = Folder::new();
        let bao = start(&folder);
        bao.write("sys/policies/acl/app", &json!({ "policy": POLICY }));
        Self { bao, postgres: None, folder }
    }

    /// With a PostgreSQL that has a table `work`, and the database engine that knows it as `app`.
    pub fn with_database() -> Self {
        Self::start().and_database()
    }

    /// As [`Setup::with_database`], with three OpenBaos that are one.
    pub fn cluster_with_database() -> Self {
        Self::on(OpenBao::start_cluster).and_database()
    }

    fn and_database(mut self) -> Self {
        let postgres = Postgres::start(&self.folder);
        let sql = "CREATE TABLE work (id bigserial PRIMARY KEY, worker int, by name DEFAULT session_user); \
                   CREATE ROLE worker; GRANT INSERT, SELECT ON work TO worker; \
                   GRANT USAGE ON SEQUENCE work_id_seq TO worker";
        postgres.ask("postgres", SUPERUSER_PASSWORD, sql).expect("the superuser may");
        self.postgres = Some(postgres);
        self.database_engine();
        self
    }

    /// OpenBao with empty storage, and with what [`Setup::with_database`], [`Setup::dynamic_role`] and
    /// [`Setup::approle`] put there.
    pub fn restore(&mut self, ttl: &str, max: &str) {
        self.bao.write("sys/policies/acl/app", &json!({ "policy": POLICY }));
        self.database_engine();
        self.dynamic_role(ttl, max);
        self.approle("1h", "2h");
    }

    fn database_engine(&self) {
        self.bao.enable("mounts", "database", &json!({ "type": "database" }));
        self.bao.write(
            "database/config/app",
            &json!({
                "plugin_name": "postgresql-database-plugin",
                "allowed_roles": "*",
                "connection_url": self.postgres().connection_url(),
                "username": "postgres",
                "password": SUPERUSER_PASSWORD,
            }),
        );
    }

    /// A role `app` whose users live for `ttl` and at most `max`.
    pub fn dynamic_role(&self, ttl: &str, max: &str) -> Spec {
        let create = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE worker;";
        self.bao.write(
            "database/roles/app",
            &json!({ "db_name": "app", "creation_statements": create, "default_ttl": ttl, "max_ttl": max }),
        );
        Spec::Database { mount: "database".to_owned(), role: "app".to_owned() }
    }

    /// A user `fixed` whose password OpenBao changes every `period`.
    pub fn static_role(&self, period: &str) -> Spec {
        let sql = "CREATE ROLE fixed LOGIN PASSWORD 'at-first' IN ROLE worker";
        self.postgres().ask("postgres", SUPERUSER_PASSWORD, sql).expect("the superuser may");
        self.bao.write(
            "database/static-roles/fixed",
            &json!({ "db_name": "app", "username": "fixed", "rotation_period": period }),
        );
        Spec::StaticDatabase { mount: "database".to_owned(), role: "fixed".to_owned() }
    }

    /// An AppRole `app` with the policy `app`; its tokens live for `ttl` and at most `max`.
    pub fn approle(&self, ttl: &str, max: &str) -> Login {
        let bao = &self.bao;
        bao.enable("auth", "approle", &json!({ "type": "approle" }));
        let role = json!({ "token_policies": "app", "token_ttl": ttl, "token_max_ttl": max });
        bao.write("auth/approle/role/app", &role);
        bao.write("auth/approle/role/app/role-id", &json!({ "role_id": ROLE_ID }));
        bao.write("auth/approle/role/app/custom-secret-id", &json!({ "secret_id": SECRET_ID }));
        Login::new(Method::AppRole { role_id: fixed(ROLE_ID), secret_id: Some(fixed(SECRET_ID)) })
    }

    /// The section `vault` of the controller's settings: over TLS, with an AppRole `app` of this policy, whose ids come into
    /// the files `role-id` and `secret-id`. One that is there keeps its lifetimes.
    pub fn vault_section(&self, policy: &str) -> Value {
        let bao = &self.bao;
        if bao.read("sys/auth")["data"]["approle/"].is_null() {
            bao.enable("auth", "approle", &json!({ "type": "approle" }));
            bao.write("auth/approle/role/app", &json!({ "token_ttl": "1h" }));
        }
        bao.write("auth/approle/role/app", &json!({ "token_policies": policy }));
        let role_id = bao.read("auth/approle/role/app/role-id")["data"]["role_id"].clone();
        let secret_id = bao.write("auth/approle/role/app/secret-id", &json!({}))["data"]["secret_id"].clone();
        let file = |name: &str, value: &Value| self.file(name, value.as_str().expect("an id"));
        json!({
            "address": bao.address(),
            "tls": {"ca_file": bao.ca_file(), "server_name": bao.server_name()},
            "auth": {"approle": {
                "role_id": {"file": file("role-id", &role_id)},
                "secret_id": {"file": file("secret-id", &secret_id)},
            }},
        })
    }

    /// A client over TLS, without a token.
    pub async fn client(&self) -> Client {
        self.client_with(|_| {}).await
    }

    /// As [`Setup::client`], with other settings.
    pub async fn client_with(&self, change: impl FnOnce(&mut Settings)) -> Client {
        let mut settings = self.settings();
        change(&mut settings);
        Client::new(settings, Metrics::default()).await.expect("a client")
    }

    /// Address, CA file and server name of the OpenBao.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.bao.address()).expect("an address");
        settings.tls.ca_file = Some(self.bao.ca_file());
        settings.tls.server_name = Some(self.bao.server_name().to_owned());
        settings
    }

    /// The PostgreSQL of [`Setup::with_database`].
    pub fn postgres(&self) -> &Postgres {
        self.postgres.as_ref().expect("with_database")
    }

    /// The same, to end and start it.
    pub fn postgres_mut(&mut self) -> &mut Postgres {
        self.postgres.as_mut().expect("with_database")
    }

    /// Where the processes live.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Writes a file.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        self.folder.write(name, content)
    }
}

/// A secret that does not change.
pub fn fixed(text: &str) -> Arc<dyn SecretSource> {
    Arc::new(Fixed(SecretString::from(text)))
}

/// The same in each OpenBao, as operators restore them.
const ROLE_ID: &str = "7a3f2f6c-5d0b-4f0e-9d53-role";
const SECRET_ID: &str = "7a3f2f6c-5d0b-4f0e-9d53-secret";
/// No more than an application needs. The policy `default` adds looking up and renewing; revoking leases it does not.
const POLICY: &str = r#"
path "secret/data/*" { capabilities = ["read", "create", "update", "patch"] }
path "database/creds/app" { capabilities = ["read"] }
path "database/static-creds/fixed" { capabilities = ["read"] }
path "pki/issue/app" { capabilities = ["update"] }
path "pki/sign/app" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
"#;
