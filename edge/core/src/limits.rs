//! Every bound of the edge, with its reason. Names end in their unit.

/// A question is at most 10,000 characters and a `Query` far less; this leaves room for escapes.
pub const BODY_MAX_BYTES: usize = 256 * 1024;
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
/// The JSON of one tool call's input, as it streams in.
pub const TOOL_INPUT_MAX_BYTES: usize = 64 * 1024;
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
