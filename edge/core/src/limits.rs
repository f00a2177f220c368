//! Every bound of the edge, with its reason. Names end in their unit.

use crate::settings::Budget;

/// A question is at most 10,000 characters and a `Query` far less; this leaves room for escapes.
pub const BODY_MAX_BYTES: usize = 256 * 1024;
/// A body of that size comes within a second on a slow line.
pub const BODY_MAX_MS: u64 = 20_000;
/// What one answer of an upstream service may hold in memory. A page of the Redshift Data API is about a megabyte; this
/// is well above it and well below the 128 MB of a Worker.
pub const UPSTREAM_MAX_BYTES: usize = 16 * 1024 * 1024;
/// The rows of a result that an answer carries; the page fetches more by cursor.
pub const RESULT_MAX_ROWS: usize = 200;
/// The rows of a result that a model reads: more tokens than that say nothing new to it.
pub const MODEL_MAX_ROWS: usize = 50;
/// Characters of a cell that a model reads.
pub const MODEL_MAX_CELL_CHARS: usize = 200;
/// Rounds of model and tools in one turn. A question needs two or three; a model that goes in circles stops here.
pub const ROUNDS_MAX: usize = 8;
/// Tool calls in one turn, over all its rounds.
pub const TOOL_CALLS_MAX: usize = 16;
/// Tool calls that run at the same time: a Worker has six connections.
pub const TOOLS_AT_ONCE_MAX: usize = 6;
/// The JSON of one tool call's input, as it streams in. Those of one round fit into a stored item together.
pub const TOOL_INPUT_MAX_BYTES: usize = 32 * 1024;
/// What a model reads of one result, as JSON: some six thousand tokens.
pub const MODEL_RESULT_MAX_BYTES: usize = 24 * 1024;
/// The conversation before a question, as a model reads it. What is older is told in a line for each turn.
pub const HISTORY_MAX_TOKENS: usize = 16_000;
/// Turns before a question that are read for it.
pub const HISTORY_MAX_TURNS: usize = 12;
/// The text of one turn.
pub const TEXT_MAX_BYTES: usize = 200 * 1024;
/// Tokens that a model may write in one round.
pub const OUTPUT_MAX_TOKENS: u32 = 4_096;
/// A whole turn. A reader has long given up by then.
pub const TURN_MAX_MS: u64 = 180_000;
/// Until the headers of an upstream answer are there. A statement waits up to 20 s inside a call.
pub const SEND_MAX_MS: u64 = 30_000;
/// Between two pieces of an upstream body.
pub const SILENCE_MAX_MS: u64 = 60_000;
/// A statement, from its submission to its end; then it is cancelled.
pub const STATEMENT_MAX_MS: u64 = 60_000;
/// How long one call waits for a statement: below every proxy's idle limit, so that polling is seldom needed.
pub const STATEMENT_WAIT_S: u32 = 20;
/// Between two polls of a service that does not wait.
pub const STATEMENT_POLL_MS: u64 = 250;
/// How long a busy service is asked again to take a statement. One that runs is asked for until its own time is over.
pub const EXECUTE_PATIENCE_MS: u64 = 20_000;
/// The comment that keeps a quiet event stream open.
pub const KEEP_ALIVE_MS: u64 = 15_000;
/// Health answers are at most this old.
pub const HEALTH_MAX_AGE_MS: u64 = 5_000;
/// A dependency that has not answered by then is down.
pub const HEALTH_TIMEOUT_MS: u64 = 4_000;
/// `publication` is read at most this often.
pub const PUBLICATION_MAX_AGE_MS: u64 = 60_000;
/// The values of the catalogue that are kept in memory: about 30 MB of names.
pub const VALUES_MAX_ROWS: usize = 200_000;
/// Suggestions in one answer.
pub const SUGGEST_MAX_ROWS: usize = 50;
/// Suggestions where the request does not say how many.
pub const SUGGEST_DEFAULT_ROWS: usize = 10;
/// Characters of `q` that are looked at.
pub const SUGGEST_MAX_CHARS: usize = 200;
/// Conversation ids of clients.
pub const ID_MAX_CHARS: usize = 128;
/// The header `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_MAX_CHARS: usize = 200;

/// Stored items stay under this, where the service takes 400 KB.
pub const ITEM_MAX_BYTES: usize = 300 * 1000;
/// An event as it is stored and streamed; a result that is longer has fewer rows, the rest comes by cursor.
pub const EVENT_MAX_BYTES: usize = 256 * 1000;
/// The first events of a turn are stored after this long,
pub const STORE_FIRST_MS: u64 = 250;
/// those after them at intervals that double up to this.
pub const STORE_INTERVAL_MAX_MS: u64 = 4_000;
/// Writes of one turn, its end included.
pub const STORE_WRITES_MAX: u32 = 24;
/// A turn whose writer has not been heard of for this long may be continued by a reader.
pub const LEASE_MS: u64 = 20_000;
/// How often a turn is continued before it is given up.
pub const ATTEMPTS_MAX: u64 = 3;
/// How often a running turn looks whether it was told to stop from elsewhere.
pub const STOP_POLL_MS: u64 = 2_000;
/// How often a reader looks for new events of a turn that runs elsewhere: first, and at most.
pub const FOLLOW_POLL_MS: u64 = 200;
pub const FOLLOW_POLL_MAX_MS: u64 = 1_000;
/// Turns of a conversation.
pub const TURNS_MAX: usize = 200;
/// Messages in one answer of a conversation.
pub const MESSAGES_PAGE_ROWS: usize = 20;
/// Conversations in one answer of the list.
pub const CONVERSATIONS_PAGE_ROWS: usize = 30;
/// Pinned conversations of one person, which the first page lists all.
pub const PINNED_MAX: usize = 20;
/// What of a conversation's questions a search looks at.
pub const SEARCH_TEXT_MAX_CHARS: usize = 8_000;
/// What is kept of a person is forgotten after this: as long as a guest's cookie lasts.
pub const KEPT_S: u64 = 400 * 24 * 60 * 60;
/// One call to DynamoDB or to the memory: they answer in milliseconds.
pub const STORE_TIMEOUT_MS: u64 = 5_000;

/// Requests of one person, as API Gateway's usual plan has them.
pub const RATE_PER_SECOND: u32 = 500;
pub const RATE_BURST: u32 = 1_000;
pub const RATE_PER_DAY: u32 = 100_000;
/// Guests get this part of it.
pub const GUEST_RATE_DIVISOR: u32 = 5;
/// People and addresses whose requests are counted at the same time, in memory.
pub const RATE_KEPT_MAX: usize = 20_000;
/// The Redshift Data API's quotas, which cannot be raised.
pub const PACE_EXECUTE_PER_SECOND: u32 = 30;
pub const PACE_RESULT_PER_SECOND: u32 = 20;
pub const PACE_DESCRIBE_PER_SECOND: u32 = 100;
/// Whoever would have to wait longer for a turn at a paced operation is told to come back.
pub const PACE_WAIT_MAX_MS: u64 = 20_000;
/// What a turn may cost: far above what any question needs.
pub const BUDGET_TURN: Budget = Budget {
    micro_usd: Some(1_000_000),
    tokens: Some(500_000),
};
/// What one person's turns of a day may cost.
pub const BUDGET_DAY: Budget = Budget {
    micro_usd: Some(10_000_000),
    tokens: Some(5_000_000),
};
/// Failures in a row after which a service is left alone,
pub const BREAKER_FAILURES: u32 = 10;
/// for this long; then one call tries it.
pub const BREAKER_OPEN_MS: u64 = 5_000;
/// Finished query results that are kept, in number and in bytes of their JSON.
pub const CACHE_MAX_ENTRIES: usize = 500;
pub const CACHE_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Keys of the token issuer are read again after this long,
pub const KEYS_MAX_AGE_MS: u64 = 60 * 60 * 1000;
/// and for a key that is not known at most this often.
pub const KEYS_REFETCH_MS: u64 = 60_000;
/// Clocks differ: tokens are taken this long after their end and before their beginning.
pub const TOKEN_LEEWAY_S: u64 = 60;
/// A token with the usual claims has about a kilobyte.
pub const TOKEN_MAX_BYTES: usize = 8 * 1024;

/// Memories in one answer.
pub const MEMORIES_PAGE_ROWS: u32 = 50;
/// Characters of a preference that a model reads, and of a question that preferences are sought by.
pub const MEMORY_TEXT_MAX_CHARS: usize = 500;
/// Preferences that go with a question.
pub const PREFERENCES_MAX: u32 = 5;
/// A question waits no longer for them.
pub const PREFERENCES_MAX_MS: u64 = 1_000;
