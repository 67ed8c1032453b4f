//! The ready templates, in the language that the operator's own are written in.

use crate::config::Format;

/// The name in settings.
#[must_use]
pub fn name(format: Format) -> &'static str {
    match format {
        Format::PostgresUri => "postgres_uri",
        Format::Pgpass => "pgpass",
        Format::MongodbUri => "mongodb_uri",
        Format::KafkaClient => "kafka_client",
        Format::RedisUri => "redis_uri",
        Format::EtcdClient => "etcd_client",
        Format::X509 => "x509",
    }
}

/// The template. `secret` is the secret, `with` what else stands in the settings, checked there.
pub(super) fn source(format: Format) -> &'static str {
    match format {
        Format::PostgresUri => POSTGRES_URI,
        Format::Pgpass => PGPASS,
        Format::MongodbUri => MONGODB_URI,
        Format::KafkaClient => KAFKA_CLIENT,
        Format::RedisUri => REDIS_URI,
        Format::EtcdClient => ETCD_CLIENT,
        Format::X509 => X509,
    }
}

const POSTGRES_URI: &str = "\
postgresql://{{ secret[with.username]|percent }}:{{ secret[with.password]|percent }}@{{ with.host }}:{{ with.port }}/{{ with.database|percent }}
{%- for name, value in with.options|items %}{{ '?' if loop.first else '&' }}{{ name|percent }}={{ value|percent }}{% endfor %}
";

// An asterisk is the format's own word for any, and stands in no escape.
const PGPASS: &str = "\
{{ with.host|pgpass }}:{{ with.port }}:{{ with.database|pgpass }}:{{ secret[with.username]|pgpass }}:{{ secret[with.password]|pgpass }}
";

const MONGODB_URI: &str = "\
mongodb{{ '+srv' if with.srv else '' }}://{{ secret[with.username]|percent }}:{{ secret[with.password]|percent }}@{{ with.hosts|join(',') }}/{{ with.database|percent }}
{%- for name, value in with.options|items %}{{ '?' if loop.first else '&' }}{{ name|percent }}={{ value|percent }}{% endfor %}
";

const KAFKA_CLIENT: &str = "\
{% if with.servers %}bootstrap.servers={{ with.servers|join(',')|properties }}
{% endif %}security.protocol={{ with.protocol }}
sasl.mechanism={{ with.mechanism }}
{% set module = 'plain.PlainLoginModule' if with.mechanism == 'PLAIN' else 'scram.ScramLoginModule' -%}
{% set jaas -%}
org.apache.kafka.common.security.{{ module }} required username=\"{{ secret[with.username]|jaas }}\" password=\"{{ secret[with.password]|jaas }}\";
{%- endset -%}
sasl.jaas.config={{ jaas|properties }}
{% for name, value in with.properties|items %}{{ name|properties_key }}={{ value|properties }}
{% endfor %}";

const REDIS_URI: &str = "\
{{ 'rediss' if with.tls else 'redis' }}://{% if with.username %}{{ secret[with.username]|percent }}{% endif %}:{{ secret[with.password]|percent }}@{{ with.host }}:{{ with.port }}/{{ with.database }}
";

const ETCD_CLIENT: &str = "\
{\"endpoints\": [{% for endpoint in with.endpoints %}{{ endpoint|json }}{{ '' if loop.last else ', ' }}{% endfor %}], \
\"username\": {{ secret[with.username]|json }}, \"password\": {{ secret[with.password]|json }}\
{% if with.ca_file %}, \"trusted-ca-file\": {{ with.ca_file|json }}{% endif %}}
";

// PEM texts end with a line break or not, by where they come from.
const X509: &str = "\
{% if with.part in ['private_key', 'pem'] %}{{ x509.private_key|trim }}
{% endif %}{% if with.part in ['certificate', 'pem'] %}{{ x509.certificate|trim }}
{% endif %}{% if with.part == 'bundle' %}{{ x509.bundle|trim }}
{% endif %}";
