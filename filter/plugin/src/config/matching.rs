//! Which requests a rule is about.

use svidgate_config::{Kind, Object, Schema, field, kind, non_empty_string};
use svidgate_policy::{GrpcMethods, HostPattern, Match, PathPattern};

use super::kinds::spelled;

pub(super) fn read(object: &mut Object<'_>) -> Option<Match> {
    let hosts = object.list(
        field!(
            "hosts",
            "Hosts of the request, in lower case and without a default port; `*.example.org` stands for every name \
             below `example.org`, and not for itself. Absent: any."
        ),
        host(),
    );
    let methods = object.list(
        field!("methods", "HTTP methods; `GET` covers `HEAD`. Absent: any, `OPTIONS` included."),
        method(),
    );
    let paths = object.list(
        field!(
            "paths",
            "Paths without a query: `/a` itself, `/a/{id}` or `/a/*` with one segment, `/a/**` with `/a` and \
             everything below. Compared segment by segment after decoding. Absent: any."
        ),
        path(),
    );
    let grpc = object.objects(
        field!(
            "grpc",
            "gRPC methods, compared as the paths that they are, whatever the content type says. Metrics of such a \
             rule have the method as a label."
        ),
        MAX_SERVICES,
        grpc,
    );
    let mtls = object.optional(
        field!(
            "mtls",
            "`true`: only requests whose connection has a peer identity; `false`: only those without. Absent: both."
        ),
        kind::boolean(),
    );
    // `{}` says that all are meant; conditions that are all `null` say it by accident.
    if !object.is_empty() && !CONDITIONS.iter().any(|name| object.has(name)) {
        object.error("", "has no condition; where every request is meant, write `{}`");
        return None;
    }
    let paths_apart = object.not_together("grpc", "paths");
    let methods_apart = object.not_together("grpc", "methods");
    let grpc = grpc?.unwrap_or_default();
    let twice = grpc
        .iter()
        .enumerate()
        .find(|(at, one)| grpc.iter().take(*at).any(|before| before.service == one.service));
    if let Some((at, one)) = twice {
        object.error(&format!("grpc[{at}].service"), format!("`{}` stands twice", one.service));
        return None;
    }
    let (methods, paths) = (methods?, paths?);
    if paths.is_some() && methods.as_ref().is_some_and(|methods| methods.iter().all(|name| name == "CONNECT"))
    {
        object.error("paths", "would never match: `CONNECT` has no path");
        return None;
    }
    paths_apart.and(methods_apart)?;
    Some(Match {
        hosts: hosts?.unwrap_or_default(),
        methods: methods.unwrap_or_default(),
        paths: paths.unwrap_or_default(),
        grpc,
        mtls: mtls?,
    })
}

fn grpc(object: &mut Object<'_>) -> Option<GrpcMethods> {
    let service = object.required(
        field!("service", "Full name of the service, with its package, as in the `.proto` file."),
        spelled(
            "a full name of dotted identifiers, such as `pkg.Service`",
            r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
            200,
            |text| text.split('.').all(is_identifier),
        ),
    );
    let methods = object.list(
        field!("methods", "Names of methods. Absent: every method of the service."),
        spelled("an identifier, such as `List`", "^[A-Za-z_][A-Za-z0-9_]*$", 100, is_identifier),
    );
    Some(GrpcMethods { service: service?, methods: methods?.unwrap_or_default() })
}

pub(super) fn host() -> impl Kind<HostPattern> {
    kind::new(
        |value| HostPattern::parse(&non_empty_string(value)?),
        || {
            Schema::text(
                "host, perhaps with a port; `*.` before it for every name below",
                r"^(\*\.)?[^*/@A-Z]+$",
            )
        },
    )
}

fn method() -> impl Kind<String> {
    spelled("an HTTP method in upper case", "^[A-Z]+(-[A-Z]+)*$", 32, |text| {
        text.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase()))
    })
}

pub(super) fn path() -> impl Kind<PathPattern> {
    kind::new(
        |value| PathPattern::parse(&non_empty_string(value)?),
        || Schema::text("path; `{name}` or `*` as one whole segment, `**` at the end", "^/[^?#;]*$"),
    )
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Services in one rule; more are more rules.
const MAX_SERVICES: usize = 100;

const CONDITIONS: [&str; 5] = ["hosts", "methods", "paths", "grpc", "mtls"];
