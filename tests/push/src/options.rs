//! What is played.

use clap::Parser;

/// Many subscribers at one controller: lag, memory, CPU, a restart, and an hour of reconnections.
#[derive(Clone, Debug, Parser, serde::Serialize)]
#[command(name = "svidgate-push-sim")]
pub struct Options {
    /// Subscribers, each with a connection and a held request of its own.
    #[arg(long, default_value_t = 10_000)]
    pub subscribers: usize,
    /// Length of the phase in which keys change each second.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Part of the subscribers that reconnect each second, in per cent.
    #[arg(long, default_value_t = 1)]
    pub reconnecting: usize,
    /// How long the controller is away, in seconds.
    #[arg(long, default_value_t = 3)]
    pub away: u64,
    /// Cycles of reconnection without a pause: an hour of one each second.
    #[arg(long, default_value_t = 3_600)]
    pub churn_cycles: usize,
    /// Trust domains in each snapshot, with two keys each.
    #[arg(long, default_value_t = 3)]
    pub trust_domains: usize,
    /// Leave both processes on all cores, instead of one core each.
    #[arg(long)]
    pub unpinned: bool,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<std::path::PathBuf>,
}
