use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::{Inputs, RenderError, Template};
use crate::config::{Format, Ready};
use crate::secrets::Secret;
use crate::source::x509::X509;

/// What passwords are made of that break formats: delimiters of URIs, quotes, escapes, comments, other scripts, control
/// characters that a format can hold.
const ODD: [&str; 9] = [
    "p@ss:w/o?r#d&x=y%41+ z",
    r#"back\slash"quote'single`tick"#,
    "$HOME ${X} $(id) !history",
    "#comment ;semi, =start",
    " leading and trailing ",
    "pässwörd-Ж-密-🔑",
    "{{ secrets.db.password }} {% raw %}",
    "%s %00 \\u0041 \\n",
    "tab\there",
];

fn inputs(password: &str) -> Inputs {
    let db = Secret::fixed("db", &[("username", "v-user"), ("password", password)]);
    let svid = X509 {
        spiffe_id: "spiffe://a.test/x".to_owned(),
        certificate: "CERT\n".to_owned(),
        private_key: "KEY\n".to_owned().into(),
        bundle: "BUNDLE\n".to_owned(),
        bundles: BTreeMap::from([("b.test".to_owned(), "OTHER\n".to_owned())]),
    };
    Inputs {
        secrets: BTreeMap::from([("db".to_owned(), Some(db)), ("later".to_owned(), None)]),
        svid: Some(Arc::new(svid)),
        jwt_bundles: BTreeMap::from([("b.test".to_owned(), Arc::from("{\"keys\":[]}"))]),
    }
}

fn render(template: &str, inputs: &Inputs) -> Result<String, RenderError> {
    let rendered = Template::compile(template).unwrap().render(inputs)?;
    Ok(String::from_utf8(rendered.bytes.to_vec()).unwrap())
}

fn ready(format: Format, with: serde_json::Value, password: &str) -> String {
    let ready = Ready { format, secret: Some("db".to_owned()), with };
    let rendered = Template::ready(&ready).render(&inputs(password)).unwrap();
    assert_eq!(rendered.secrets.len(), 1);
    String::from_utf8(rendered.bytes.to_vec()).unwrap()
}

fn fields() -> serde_json::Value {
    json!({"username": "username", "password": "password"})
}

fn with(more: serde_json::Value) -> serde_json::Value {
    let mut all = fields();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[test]
fn h14_values_arrive_as_they_were_stored() {
    for odd in ODD {
        assert_eq!(render("{{ secrets.db.password }}", &inputs(odd)).unwrap(), odd);
    }
    let all = "{{ svid.spiffe_id }} {{ svid.certificate }}{{ bundles['b.test'].x509 }}{{ bundles['b.test'].jwt }}\n";
    assert_eq!(render(all, &inputs("p")).unwrap(), "spiffe://a.test/x CERT\nOTHER\n{\"keys\":[]}\n");
    assert_eq!(
        render("{{ leases.db.not_after }}", &inputs("p")).unwrap(),
        "None",
        "a static value has no end"
    );
}

#[test]
fn what_is_missing_is_an_error_that_names_it_and_never_an_empty_text() {
    let failed = |template: &str| render(template, &inputs("hush")).unwrap_err();
    assert_eq!(failed("{{ secrets.later.x }}"), RenderError::Waiting(vec!["secret later".to_owned()]));
    assert_eq!(failed("{{ bundles['c.test'].x509 }}").to_string(), "waits for a bundle of c.test");
    assert_eq!(
        failed("a\n{{ secrets.db.passwrd }}").to_string(),
        "line 2: there is no field passwrd in secret db"
    );
    assert_eq!(
        failed("{{ secrets.nobody.x }}").to_string(),
        "line 1: there is no secret nobody in the settings"
    );
    assert_eq!(
        failed("{{ bundles['b.test'].jwks }}").to_string(),
        "line 1: there is no jwks in bundles; there are x509 and jwt"
    );
    let none = Inputs { svid: None, ..inputs("p") };
    assert_eq!(render("{{ svid.certificate }}", &none).unwrap_err().to_string(), "waits for the X.509-SVID");
}

#[test]
fn no_error_shows_a_value() {
    for template in [
        "{{ secrets.db.password|int }}",
        "{{ secrets.db.password + 1 }}",
        "{{ secrets.db.password.x }}",
        "{{ secrets.db.password|fromjson }}",
        "{% for x in secrets.db.password|batch('a') %}{% endfor %}",
        "{{ secrets.db.password() }}",
        "{{ range(secrets.db.password) }}",
        "{{ [][secrets.db.password] }}",
        "{{ secrets.db.password|sort(attribute=secrets.db.password) }}",
        "{{ ''|attr(secrets.db.password) }}",
        "{{ dict(secrets.db.password) }}",
        "{{ secrets.db.password|round }}",
    ] {
        let Ok(compiled) = Template::compile(template) else { continue };
        if let Err(error) = compiled.render(&inputs("hunter2")) {
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{template}: {error}");
        }
    }
}

#[test]
fn mistakes_in_a_template_are_found_before_anything_is_rendered() {
    for (bad, says) in [
        ("{{ secrets.db.password", "line 1"),
        ("{{ secret.db }}", "uses `secret`"),
        ("{{ env.HOME }}", "uses `env`"),
        ("{{ debug() }}", "debug"),
        ("ok\n{{ secrets.db.password|perzent }}", "line 2: unknown filter"),
        ("{% include 'other' %}", ""),
    ] {
        let error = Template::compile(bad)
            .map(|template| template.render(&inputs("p")))
            .and_then(|rendered| rendered.map_err(|error| error.to_string()).map(|_| ()));
        let error = error.expect_err(bad);
        assert!(error.contains(says), "{bad}: {error}");
    }
    let template =
        Template::compile("{{ secrets.a.x }}{% if leases.b.version %}{% endif %}{{ svid.bundle }}").unwrap();
    assert_eq!(template.secrets().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert!(template.needs_workload_api());
    assert!(!Template::compile("{{ secrets.a.x }}").unwrap().needs_workload_api());
}

#[test]
fn h14_a_uri_gives_user_and_password_back_to_a_parser_of_uris() {
    for odd in ODD {
        let postgres = with(
            json!({"host": "pg.test", "port": 5432, "database": "a b/c", "options": {"sslmode": "verify-full", "options": "-c x=1"}}),
        );
        let mongo = with(
            json!({"hosts": ["a.test:27017"], "srv": false, "database": "app", "options": {"authSource": "admin"}}),
        );
        let redis = with(json!({"host": "r.test", "port": 6379, "database": 2, "tls": true}));
        for (format, with, starts) in [
            (Format::PostgresUri, postgres, "postgresql://"),
            (Format::MongodbUri, mongo, "mongodb://"),
            (Format::RedisUri, redis, "rediss://"),
        ] {
            let text = ready(format, with, odd);
            assert!(text.starts_with(starts) && text.ends_with('\n') && text.lines().count() == 1, "{text}");
            let uri = url::Url::parse(text.trim_end()).unwrap();
            assert_eq!(decoded(uri.username()), "v-user");
            assert_eq!(decoded(uri.password().unwrap()), odd);
        }
    }
    let with = with(
        json!({"host": "pg.test", "port": 5432, "database": "a b/c", "options": {"sslmode": "verify-full", "x": "a&b"}}),
    );
    assert_eq!(
        ready(Format::PostgresUri, with, "p"),
        "postgresql://v-user:p@pg.test:5432/a%20b%2Fc?sslmode=verify-full&x=a%26b\n"
    );
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(text.get(at + 1..at + 3).unwrap(), 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn mongodb_and_redis_uris_in_their_other_forms() {
    let mongo = with(json!({"hosts": ["a.test:1", "b.test:2"], "srv": false, "database": "", "options": {}}));
    assert_eq!(ready(Format::MongodbUri, mongo, "p"), "mongodb://v-user:p@a.test:1,b.test:2/\n");
    let srv = with(
        json!({"hosts": ["c.test"], "srv": true, "database": "d", "options": {"tls": "true", "w": "1"}}),
    );
    assert_eq!(ready(Format::MongodbUri, srv, "p"), "mongodb+srv://v-user:p@c.test/d?tls=true&w=1\n");
    let redis = json!({"username": null, "password": "password", "host": "r.test", "port": 1, "database": 0, "tls": false});
    assert_eq!(ready(Format::RedisUri, redis, "p:w"), "redis://:p%3Aw@r.test:1/0\n");
}

#[test]
fn h14_pgpass_is_read_back_as_libpq_reads_it_and_refuses_line_breaks() {
    let where_to = json!({"host": "*", "port": "*", "database": "app"});
    for odd in ODD {
        let text = ready(Format::Pgpass, with(where_to.clone()), odd);
        let mut fields = vec![String::new()];
        let mut chars = text.strip_suffix('\n').unwrap().chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => fields.last_mut().unwrap().push(chars.next().unwrap()),
                ':' => fields.push(String::new()),
                c => fields.last_mut().unwrap().push(c),
            }
        }
        assert_eq!(fields, ["*", "*", "app", "v-user", odd]);
    }
    let ready = Ready { format: Format::Pgpass, secret: Some("db".to_owned()), with: with(where_to) };
    let error = Template::ready(&ready).render(&inputs("hush\nhush")).unwrap_err();
    assert_eq!(error.to_string(), "line 1: a line of .pgpass cannot hold a line break");
}

#[test]
fn h14_kafka_properties_are_read_back_as_java_reads_them() {
    let odd = ODD.iter().copied().chain(["line\nbreak\r\u{c}"]);
    for odd in odd {
        let more = with(json!({
            "mechanism": "SCRAM-SHA-512", "protocol": "SASL_SSL", "servers": ["a.test:9092", "b.test:9092"],
            "properties": {"ssl.truststore.location": "/a b/c", " odd:key=": " v"},
        }));
        let text = ready(Format::KafkaClient, more, odd);
        assert!(text.is_ascii(), "Properties are read as ISO 8859-1: {text}");
        let read = java_properties(&text);
        assert_eq!(read["bootstrap.servers"], "a.test:9092,b.test:9092");
        assert_eq!(read["security.protocol"], "SASL_SSL");
        assert_eq!(read["sasl.mechanism"], "SCRAM-SHA-512");
        assert_eq!(read["ssl.truststore.location"], "/a b/c");
        assert_eq!(read[" odd:key="], " v");
        let (module, rest) = read["sasl.jaas.config"].split_once(" required ").unwrap();
        assert_eq!(module, "org.apache.kafka.common.security.scram.ScramLoginModule");
        let options = jaas_options(rest);
        assert_eq!(
            options,
            [("username".to_owned(), "v-user".to_owned()), ("password".to_owned(), odd.to_owned())]
        );
    }
    let plain = with(json!({"mechanism": "PLAIN", "protocol": "SASL_SSL", "servers": [], "properties": {}}));
    assert_eq!(
        ready(Format::KafkaClient, plain, "p"),
        "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required username=\"v-user\" password=\"p\";\n"
    );
}

/// As `java.util.Properties.load` reads lines without continuation.
fn java_properties(text: &str) -> BTreeMap<String, String> {
    let mut read = BTreeMap::new();
    for line in text.lines() {
        let mut chars = line.trim_start_matches([' ', '\t', '\u{c}']).chars().peekable();
        let (mut units, mut key): (Vec<u16>, Option<Vec<u16>>) = (Vec::new(), None);
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next().unwrap() {
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        units.push(u16::from_str_radix(&digits, 16).unwrap());
                    }
                    't' => units.push(9),
                    'n' => units.push(10),
                    'r' => units.push(13),
                    'f' => units.push(12),
                    c => units.push(u16::try_from(u32::from(c)).unwrap()),
                },
                '=' | ':' | ' ' if key.is_none() => {
                    key = Some(std::mem::take(&mut units));
                    while chars.next_if(|c| *c == ' ').is_some() {}
                }
                c => units.push(u16::try_from(u32::from(c)).unwrap()),
            }
        }
        let text = |units: Vec<u16>| String::from_utf16(&units).unwrap();
        read.insert(text(key.unwrap()), text(units));
    }
    read
}

/// As Kafka's `JaasConfig` reads them with a `java.io.StreamTokenizer`.
fn jaas_options(text: &str) -> Vec<(String, String)> {
    let mut options = Vec::new();
    let mut rest = text;
    while !rest.starts_with(';') {
        let (name, value) = rest.split_once("=\"").unwrap();
        let (mut read, mut chars) = (String::new(), value.char_indices());
        let end = loop {
            let (at, c) = chars.next().expect("the quote ends");
            match c {
                '"' => break at,
                '\\' => match chars.next().unwrap().1 {
                    'n' => read.push('\n'),
                    'r' => read.push('\r'),
                    c @ ('\\' | '"') => read.push(c),
                    c => panic!("an escape that means something else: {c}"),
                },
                '\n' | '\r' => panic!("a line break ends the token"),
                c => read.push(c),
            }
        };
        options.push((name.trim().to_owned(), read));
        rest = value.get(end + 1..).unwrap().trim_start();
    }
    assert_eq!(rest, ";");
    options
}

#[test]
fn h14_etcd_configuration_is_json() {
    for odd in ODD {
        let more =
            with(json!({"endpoints": ["https://a.test:2379", "https://b.test:2379"], "ca_file": "/ca.pem"}));
        let read: serde_json::Value = serde_json::from_str(&ready(Format::EtcdClient, more, odd)).unwrap();
        let expected = json!({"endpoints": ["https://a.test:2379", "https://b.test:2379"], "username": "v-user",
            "password": odd, "trusted-ca-file": "/ca.pem"});
        assert_eq!(read, expected);
    }
}

#[test]
fn h14_shell_json_and_base64_are_read_back() {
    for odd in ODD {
        let text = render("P={{ secrets.db.password|shell }}\nprintf %s \"$P\"", &inputs(odd)).unwrap();
        let output = std::process::Command::new("/bin/sh").arg("-c").arg(&text).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), odd);
        let text = render("{{ secrets.db.password|json }}", &inputs(odd)).unwrap();
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), odd);
        assert_eq!(crate::config::yaml_from_str("x", &text).unwrap(), json!(odd));
    }
    assert_eq!(render("{{ secrets.db.password|base64 }}", &inputs("ab?")).unwrap(), "YWI/");
}

#[test]
fn x509_parts_are_of_the_svid_or_of_a_secret_of_pki() {
    let part = |secret: Option<&str>, part: &str| {
        let mut inputs = inputs("p");
        let pki = [
            ("private_key", "K"),
            ("certificate", "C\n"),
            ("issuing_ca", "I"),
            ("ca_chain", ""),
            ("serial_number", "1"),
        ];
        inputs.secrets.insert("web".to_owned(), Some(Secret::fixed("web", &pki)));
        let ready =
            Ready { format: Format::X509, secret: secret.map(str::to_owned), with: json!({"part": part}) };
        String::from_utf8(Template::ready(&ready).render(&inputs).unwrap().bytes.to_vec()).unwrap()
    };
    assert_eq!(part(None, "certificate"), "CERT\n");
    assert_eq!(part(None, "private_key"), "KEY\n");
    assert_eq!(part(None, "bundle"), "BUNDLE\n");
    assert_eq!(part(None, "pem"), "KEY\nCERT\n");
    assert_eq!(part(Some("web"), "certificate"), "C\nI\n");
    assert_eq!(part(Some("web"), "bundle"), "I\n");
    assert_eq!(part(Some("web"), "pem"), "K\nC\nI\n");
}

#[test]
fn what_was_rendered_shows_no_value() {
    let template = Template::compile("{{ secrets.db.password }}").unwrap();
    let inputs = inputs("hush");
    let rendered = template.render(&inputs).unwrap();
    assert_eq!(rendered.bytes.as_slice(), b"hush");
    let shown = format!("{rendered:?} {inputs:?} {template:?}");
    assert!(!shown.contains("hush") && !shown.contains("104, 117") && !shown.contains("KEY"), "{shown}");
}
