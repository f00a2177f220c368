//! Where statements run: threads of their own. A statement keeps its thread busy for long stretches, and whoever
//! serves requests, or cancels the statement, must not wait for that.

use crate::error::RedshiftError;
use datafusion::{
    common::{
        Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{ExecutionPlan, coop::CooperativeExec},
};
use std::sync::{Arc, OnceLock};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// Parsing and planning recurse as deep as a statement is nested, in frames of several kilobytes where nothing is
/// optimised; the deepest statement that is accepted takes about 6 MB. The space is reserved, not used.
const STACK_BYTES: usize = 32 << 20;

/// Ends its task when it is dropped.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs `work` on the engine's threads; dropping the future ends it.
///
/// # Errors
/// The threads cannot be made, or `work` panicked.
pub(crate) async fn on_engine<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, RedshiftError> {
    static ENGINE: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Builder::new_multi_thread()
            .thread_name("redshift")
            // Some more than cores, so that one statement that does not pause leaves room for another.
            .worker_threads(2 * cores)
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    let engine = engine
        .as_ref()
        .map_err(|error| RedshiftError::Engine(format!("no threads to run on: {error}")))?;
    let mut running = Running(engine.spawn(work));
    (&mut running.0)
        .await
        .map_err(|error| RedshiftError::Engine(format!("the engine failed on this statement: {error}")))
}

/// A join can give batches for hours while it reads one, and none of that would let a cancellation through: after a
/// number of batches it now pauses for a moment.
#[derive(Debug)]
pub(crate) struct PauseInJoins;

impl PhysicalOptimizerRule for PauseInJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(|node| {
            Ok(if node.children().len() > 1 {
                Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(node)
            })
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "pause_in_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
