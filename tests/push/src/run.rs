//! The phases, in their order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use svidgate_tests::{Controller, Folder, within};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::authority::Authority;
use crate::cost::Cost;
use crate::fleet::Fleet;
use crate::lags::millis;
use crate::machine::{self, Cores};
use crate::options::Options;
use crate::report::{Churn, Held, Herd, Report, Steady};

/// Plays all phases.
///
/// # Errors
/// When a subscriber is lost, gets a bad or an older state, or the machine has not what is needed.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    machine::allow_open_files(options.subscribers)?;
    let cores = if options.unpinned { None } else { Cores::share_out() };
    let load = machine::load();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stage = Stage::set(options, cores);
        let held = stage.subscribe()?;
        let steady = stage.change_each_second().await?;
        let herd = stage.restart_controller().await?;
        let churn = stage.churn().await?;
        let report =
            Report { options: options.clone(), cores, load, held, steady, herd, churn, in_order: true };
        stage.finish()?;
        Ok(report)
    })
}

struct Stage<'a> {
    options: &'a Options,
    core: Option<usize>,
    controller: Option<Controller>,
    authority: Arc<Authority>,
    fleet: Option<Fleet>,
    /// The subscriber that is the next to reconnect.
    next: usize,
    folder: Folder,
}

impl<'a> Stage<'a> {
    fn set(options: &'a Options, cores: Option<Cores>) -> Self {
        let folder = Folder::new();
        let authority = Arc::new(Authority::start(folder.path(), options.trust_domains));
        let core = cores.map(|cores| cores.controller);
        let controller = Controller::start_on(core, folder.path(), authority.socket());
        Self { options, core, controller: Some(controller), authority, fleet: None, next: 0, folder }
    }

    fn controller(&mut self) -> &mut Controller {
        self.controller.as_mut().expect("the controller runs")
    }

    fn cost(&mut self) -> Cost {
        Cost::of(self.controller().process().id())
    }

    fn fleet(&self) -> &Fleet {
        self.fleet.as_ref().expect("subscribers")
    }

    /// Everyone subscribes, at once.
    fn subscribe(&mut self) -> anyhow::Result<Held> {
        let controller = self.controller();
        within(PATIENCE, || (controller.ask("/readyz").status == 200).then_some(()))
            .context("the controller has no bundles")?;
        let cost = self.cost();
        let before = cost.resident_bytes();
        let start = Instant::now();
        let socket = Controller::socket_in(self.folder.path());
        self.fleet = Some(Fleet::start(&socket, &self.authority, self.options.subscribers));
        self.await_everyone(0)?;
        let all_after_ms = millis(start.elapsed());
        let body = self.controller().ask("/v1/snapshot?wait=0").body.len();
        let resident = cost.resident_bytes();
        let each = resident.saturating_sub(before) / self.options.subscribers.max(1) as u64;
        Ok(Held {
            snapshot_bytes: body,
            all_after_ms,
            controller_bytes_before: before,
            controller_bytes: resident,
            bytes_per_subscriber: each,
        })
    }

    /// Keys change each second, and some reconnect meanwhile.
    async fn change_each_second(&mut self) -> anyhow::Result<Steady> {
        drop(self.fleet().take_lags());
        let counted = self.fleet().counted();
        let cost = self.cost();
        let (start, cpu) = (Instant::now(), cost.cpu());
        let mut slices = interval(Duration::from_secs(1) / SLICES);
        slices.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let each_second = self.options.subscribers * self.options.reconnecting / 100;
        let mut restarted = 0;
        for second in 0..self.options.seconds {
            self.authority.change();
            for slice in 0..SLICES {
                slices.tick().await;
                let due =
                    each_second * (slice as usize + 1) / SLICES as usize + each_second * second as usize;
                self.restart(due - restarted);
                restarted = due;
            }
        }
        self.await_everyone(self.authority.newest())?;
        let (took, cpu) = (start.elapsed(), cost.cpu() - cpu);
        let lags = self.fleet().take_lags().quantiles();
        Ok(Steady {
            seconds: self.options.seconds,
            changes: self.options.seconds,
            reconnections: self.fleet().counted().connections - counted.connections,
            controller_cpu_percent: percent(cpu, took),
            controller_cpu_us_per_arrival: cpu.as_micros() as f64 / lags.count.max(1) as f64,
            lag: lags,
            controller_bytes: cost.resident_bytes(),
        })
    }

    /// The controller dies, and everyone comes back at once.
    async fn restart_controller(&mut self) -> anyhow::Result<Herd> {
        let before = self.fleet().counted();
        self.controller.take().expect("the controller runs").kill();
        sleep(Duration::from_secs(self.options.away)).await;
        // Nobody can have it from before.
        let change = self.authority.change();
        let start = Instant::now();
        let controller = Controller::start_on(self.core, self.folder.path(), self.authority.socket());
        let answered_after = start.elapsed();
        self.controller = Some(controller);
        let cost = self.cost();
        self.await_everyone(change)?;
        let all_after = start.elapsed();
        let cpu = cost.cpu();
        let (quiet, quiet_cpu) = (Instant::now(), cost.cpu());
        sleep(QUIET).await;
        let settled = percent(cost.cpu() - quiet_cpu, quiet.elapsed());
        drop(self.fleet().take_lags());
        let after = self.fleet().counted();
        Ok(Herd {
            away_seconds: self.options.away,
            answers_after_ms: millis(answered_after),
            all_served_after_ms: millis(all_after),
            refused_connections: after.refused_connections - before.refused_connections,
            connections: after.connections - before.connections,
            controller_cpu_seconds: cpu.as_secs_f64(),
            controller_cpu_percent_afterwards: settled,
            controller_bytes: cost.resident_bytes(),
        })
    }

    /// An hour in which some reconnect each second, without the pauses.
    async fn churn(&mut self) -> anyhow::Result<Churn> {
        let cost = self.cost();
        let each_cycle = (self.options.subscribers * self.options.reconnecting / 100).max(1);
        let (start, before) = (Instant::now(), self.fleet().counted());
        let mut resident = vec![cost.resident_bytes()];
        for cycle in 1..=self.options.churn_cycles {
            self.restart(each_cycle);
            if cycle % CYCLES_AT_ONCE == 0 || cycle == self.options.churn_cycles {
                self.await_everyone(0)?;
                tokio::task::yield_now().await;
            }
            // Keys go on changing, and so the memory of the former ones is given back meanwhile as well.
            if cycle % CYCLES_PER_CHANGE == 0 {
                let change = self.authority.change();
                self.await_everyone(change)?;
            }
            if cycle % (self.options.churn_cycles / SAMPLES).max(1) == 0 {
                resident.push(cost.resident_bytes());
            }
        }
        drop(self.fleet().take_lags());
        Ok(Churn {
            cycles: self.options.churn_cycles,
            reconnections: self.fleet().counted().connections - before.connections,
            took_seconds: start.elapsed().as_secs_f64(),
            controller_bytes: resident,
        })
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let change = self.authority.change();
        self.await_everyone(change)?;
        let counted = self.fleet().counted();
        ensure!(counted.bad == 0, "{} answers were no good snapshot", counted.bad);
        ensure!(counted.older == 0, "{} answers took a change back", counted.older);
        // What the controller says of them is what they are.
        let wanted = self.options.subscribers as u64;
        let controller = self.controller();
        let agrees = within(PATIENCE, || {
            let summary = &controller.status()["summary"];
            ["subscribers", "current", "held"].iter().all(|field| summary[field] == wanted).then_some(())
        });
        ensure!(agrees.is_some(), "/status counts otherwise: {}", controller.status()["summary"]);
        self.controller.take().expect("the controller runs").stop();
        Ok(())
    }

    fn restart(&mut self, number: usize) {
        self.fleet().restart(self.next, number);
        self.next = (self.next + number) % self.options.subscribers.max(1);
    }

    /// Waits until each subscriber holds `change` and has a request open.
    fn await_everyone(&mut self, change: usize) -> anyhow::Result<()> {
        let fleet = self.fleet.clone().expect("subscribers");
        let controller = self.controller();
        let all = within(PATIENCE, || {
            controller.process().assert_running();
            (fleet.holding(change) == fleet.len() && fleet.waiting() == fleet.len()).then_some(())
        });
        ensure!(
            all.is_some(),
            "after {PATIENCE:?} only {} of {} hold change {change}, and {} have a request open: {:?}",
            fleet.holding(change),
            fleet.len(),
            fleet.waiting(),
            fleet.counted()
        );
        Ok(())
    }
}

fn percent(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64()
}

/// Who is not served by then is lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// Reconnections are spread over each second.
const SLICES: u32 = 20;
/// How long the controller is watched after everyone came back.
const QUIET: Duration = Duration::from_secs(2);
const CYCLES_AT_ONCE: usize = 10;
const CYCLES_PER_CHANGE: usize = 60;
const SAMPLES: usize = 6;
