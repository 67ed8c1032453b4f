//! Parts of the process that run until it ends.

use anyhow::anyhow;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A part that runs.
pub(super) struct Part {
    name: &'static str,
    task: JoinHandle<bool>,
}

/// Starts it. One that fails ends the process, in good order, so that it is started anew: it would go on without what the
/// part did, and nobody would know.
pub(super) fn start(
    name: &'static str,
    part: impl Future<Output = ()> + Send + 'static,
    stop: &CancellationToken,
) -> Part {
    let (part, stop) = (tokio::spawn(part), stop.clone());
    let task = tokio::spawn(async move {
        let good = part.await.is_ok();
        if !good {
            // The error's own text may have a value in it.
            tracing::error!(part = name, "a part of svidgate failed");
            stop.cancel();
        }
        good
    });
    Part { name, task }
}

impl Part {
    /// Waits for its end.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        match self.task.await {
            Ok(true) => Ok(()),
            _ => Err(anyhow!("{} failed", self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_fails_ends_all_and_says_nothing_of_what_it_had() {
        let stop = CancellationToken::new();
        let good = start("this", async {}, &stop);
        let bad = start("that", async { panic!("hush") }, &stop);
        stop.cancelled().await;
        assert!(good.end().await.is_ok());
        assert_eq!(bad.end().await.unwrap_err().to_string(), "that failed");
    }
}
