//! The rows, by topic; each module has the configurations that its rows are about.

mod answers;
mod audit;
mod cache;
mod callers;
mod claims;
mod filter_state;
mod freshness;
mod grpc;
mod headers;
mod hosts;
mod instances;
mod methods;
mod mtls;
mod paths;
mod revocation;
mod routes;
mod rules;
mod sources;
mod tokens;
mod xfcc;

use super::config::Config;
use super::row::Row;

type Topic = (fn() -> Vec<Config>, fn() -> Vec<Row>);

const TOPICS: [Topic; 20] = [
    (tokens::configs, tokens::rows),
    (rules::configs, rules::rows),
    (callers::configs, callers::rows),
    (hosts::configs, hosts::rows),
    (paths::configs, paths::rows),
    (methods::configs, methods::rows),
    (headers::configs, headers::rows),
    (sources::configs, sources::rows),
    (mtls::configs, mtls::rows),
    (xfcc::configs, xfcc::rows),
    (audit::configs, audit::rows),
    (freshness::configs, freshness::rows),
    (claims::configs, claims::rows),
    (answers::configs, answers::rows),
    (grpc::configs, grpc::rows),
    (revocation::configs, revocation::rows),
    (cache::configs, cache::rows),
    (routes::configs, routes::rows),
    (filter_state::configs, filter_state::rows),
    (instances::configs, instances::rows),
];

/// Every configuration.
pub fn configs() -> Vec<Config> {
    TOPICS.iter().flat_map(|(configs, _)| configs()).collect()
}

/// Every row.
pub fn rows() -> Vec<Row> {
    TOPICS.iter().flat_map(|(_, rows)| rows()).collect()
}
