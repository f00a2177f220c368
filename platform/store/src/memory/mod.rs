//! AgentCore's memory.

use crate::StoreError;
use redb::WriteTransaction;

pub(crate) fn prepare(_write: &WriteTransaction) -> Result<(), StoreError> {
    Ok(())
}
