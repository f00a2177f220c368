//! What a model says, piece by piece, and what holds for all of them: stop sequences and the bound of tokens end it, tokens
//! are counted where the model does not count them, and whatever it says ends with exactly one [`Piece::End`].

use super::{
    request::Conversation,
    token::{CHARS_PER_TOKEN, of_chars, tokens},
};
use futures::{StreamExt as _, stream::BoxStream};
use serde_json::{Map, Value};
use std::{cmp::Reverse, collections::VecDeque, time::Duration};

/// A whole answer that is collected may hold so much.
const REPLY_MAX_BYTES: usize = 16 << 20;

pub(crate) const END_TURN: &str = "end_turn";
pub(crate) const TOOL_USE: &str = "tool_use";
pub(crate) const MAX_TOKENS: &str = "max_tokens";
pub(crate) const STOP_SEQUENCE: &str = "stop_sequence";

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Goes on with the text before it, or begins a block.
    Text(String),
    /// What a model thinks before it speaks.
    Reasoning(String),
    /// A whole call.
    Tool {
        id: String,
        name: String,
        input: Value,
    },
    /// A call whose input comes in the [`Piece::ToolInput`]s that follow.
    ToolStart {
        id: String,
        name: String,
    },
    ToolInput(String),
    Pause(Duration),
    End(End),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct End {
    /// As Converse names it; none: by what was said.
    pub reason: Option<&'static str>,
    pub stop_sequence: Option<String>,
    /// Tokens in and out, if the model counted them; always set in what [`Speech`] gives.
    pub usage: Option<(u64, u64)>,
    /// The model's own answer, for `additionalModelResponseFieldPaths`.
    pub fields: Map<String, Value>,
}

impl End {
    pub fn reason(&self) -> &'static str {
        self.reason.unwrap_or(END_TURN)
    }

    pub fn usage(&self) -> (u64, u64) {
        self.usage.unwrap_or_default()
    }

    /// The fields that were asked for, each under its path; none if there are none.
    pub fn asked_fields(&self, paths: &[String]) -> Option<Value> {
        let mut own = self.fields.clone();
        own.insert("stop_sequence".to_owned(), self.stop_sequence.clone().into());
        let own = Value::Object(own);
        let mut found = Map::new();
        for path in paths {
            let Some(value) = own.pointer(path) else { continue };
            let mut at = &mut found;
            let mut names = path
                .split('/')
                .skip(1)
                .map(|name| name.replace("~1", "/").replace("~0", "~"))
                .peekable();
            while let Some(name) = names.next() {
                if names.peek().is_none() {
                    at.insert(name, value.clone());
                    break;
                }
                let inner = at.entry(name).or_insert_with(|| Value::Object(Map::new()));
                match inner {
                    Value::Object(map) => at = map,
                    // Another path has put the whole there already.
                    _ => break,
                }
            }
        }
        (!found.is_empty()).then_some(Value::Object(found))
    }
}

/// Why a model stopped short.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Broken {
    /// As an event stream names it: `modelStreamErrorException`.
    Exception { name: &'static str, message: String },
    /// The connection ends here; a script can ask for it.
    Cut,
}

impl Broken {
    pub fn model(message: impl Into<String>) -> Broken {
        Broken::Exception {
            name: "modelStreamErrorException",
            message: message.into(),
        }
    }
}

pub(crate) type Pieces = BoxStream<'static, Result<Piece, Broken>>;

/// A model's pieces within the bounds of its conversation.
pub(crate) struct Speech {
    pieces: Pieces,
    limits: Limits,
    ready: VecDeque<Piece>,
    over: bool,
}

impl Speech {
    /// `counts`: the model counts its tokens and keeps `max_tokens` itself.
    pub fn new(pieces: Pieces, conversation: &Conversation, counts: bool) -> Speech {
        Speech {
            pieces,
            limits: Limits::new(conversation, counts),
            ready: VecDeque::new(),
            over: false,
        }
    }

    /// What was said already, to be said again.
    pub fn again(reply: Reply) -> Speech {
        let mut ready: VecDeque<Piece> = reply
            .blocks
            .into_iter()
            .map(|said| match said {
                Said::Text(text) => Piece::Text(text),
                Said::Reasoning(text) => Piece::Reasoning(text),
                Said::Tool { id, name, input } => Piece::Tool { id, name, input },
            })
            .collect();
        ready.push_back(Piece::End(reply.end));
        Speech {
            pieces: futures::stream::empty().boxed(),
            limits: Limits::default(),
            ready,
            over: true,
        }
    }

    /// The next piece; none after the end. Pauses are waited for here.
    pub async fn next(&mut self) -> Result<Option<Piece>, Broken> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.over {
                return Ok(None);
            }
            let piece = match self.pieces.next().await {
                Some(piece) => piece?,
                None => Piece::End(End::default()),
            };
            if let Piece::Pause(time) = piece {
                tokio::time::sleep(time).await;
                continue;
            }
            self.over = self.limits.feed(piece, &mut self.ready);
        }
    }

    /// Everything, put together.
    ///
    /// # Errors
    /// The model stopped short, or asked for a tool with an input that is no object.
    pub async fn collect(mut self) -> Result<Reply, Broken> {
        let mut blocks: Vec<Said> = Vec::new();
        let mut partial: Option<(String, String, String)> = None;
        let mut bytes = 0;
        while let Some(piece) = self.next().await? {
            if !matches!(piece, Piece::ToolInput(_))
                && let Some((id, name, input)) = partial.take()
            {
                match object(&input) {
                    Some(input) => blocks.push(Said::Tool { id, name, input }),
                    // A call that the bound of tokens has cut is of no use to anyone.
                    None if matches!(&piece, Piece::End(end) if end.reason() == MAX_TOKENS) => {}
                    None => {
                        return Err(Broken::model(format!(
                            "The model asked for the tool {name} with an input that is no JSON object."
                        )));
                    }
                }
            }
            match piece {
                Piece::Text(delta) => {
                    bytes += delta.len();
                    match blocks.last_mut() {
                        Some(Said::Text(text)) => text.push_str(&delta),
                        _ => blocks.push(Said::Text(delta)),
                    }
                }
                Piece::Reasoning(delta) => {
                    bytes += delta.len();
                    match blocks.last_mut() {
                        Some(Said::Reasoning(text)) => text.push_str(&delta),
                        _ => blocks.push(Said::Reasoning(delta)),
                    }
                }
                Piece::Tool { id, name, input } => blocks.push(Said::Tool { id, name, input }),
                Piece::ToolStart { id, name } => partial = Some((id, name, String::new())),
                Piece::ToolInput(delta) => {
                    bytes += delta.len();
                    if let Some((_, _, input)) = &mut partial {
                        input.push_str(&delta);
                    }
                }
                Piece::Pause(_) => {}
                Piece::End(end) => return Ok(Reply { blocks, end }),
            }
            if bytes > REPLY_MAX_BYTES {
                return Err(Broken::model(format!(
                    "The model said more than {REPLY_MAX_BYTES} bytes."
                )));
            }
        }
        Err(Broken::model("The model ended without an end."))
    }
}

/// A tool's input as it was streamed; nothing at all is an empty one.
fn object(text: &str) -> Option<Value> {
    if text.trim().is_empty() {
        return Some(Value::Object(Map::new()));
    }
    serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
}

/// A block of a whole answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Text(String),
    Reasoning(String),
    Tool { id: String, name: String, input: Value },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub blocks: Vec<Said>,
    pub end: End,
}

/// Ends what is said at a stop sequence or at the bound of tokens, whichever comes first.
#[derive(Default)]
struct Limits {
    stop_sequences: Vec<String>,
    /// None: the model keeps its bound itself.
    left_tokens: Option<u64>,
    input_tokens: u64,
    output_tokens: u64,
    /// Characters of the text block that is open.
    block_chars: u64,
    /// Text that may be the beginning of a stop sequence.
    held: String,
    used_tool: bool,
}

impl Limits {
    fn new(conversation: &Conversation, counts: bool) -> Limits {
        Limits {
            stop_sequences: conversation.stop_sequences.clone(),
            left_tokens: if counts { None } else { conversation.max_tokens },
            input_tokens: conversation.input_tokens,
            ..Limits::default()
        }
    }

    /// Takes one piece and gives what can be said by now. Says whether that ends with the end.
    fn feed(&mut self, piece: Piece, out: &mut VecDeque<Piece>) -> bool {
        let ended = match piece {
            Piece::Text(delta) => self.text(&delta, out),
            piece => match self.flush(out) {
                Some(end) => Some(end),
                None => self.other(piece, out),
            },
        };
        match ended {
            Some(end) => {
                out.push_back(Piece::End(self.finish(end)));
                true
            }
            None => false,
        }
    }

    fn other(&mut self, piece: Piece, out: &mut VecDeque<Piece>) -> Option<End> {
        match &piece {
            Piece::End(_) => {}
            Piece::Tool { input, .. } => {
                let size = tokens(&input.to_string());
                // Half of a tool's input is of no use to anyone.
                if self.left_tokens.is_some_and(|left| size > left) {
                    return Some(reason(MAX_TOKENS));
                }
                self.spend(size);
                self.used_tool = true;
            }
            Piece::ToolStart { .. } => self.used_tool = true,
            Piece::ToolInput(text) | Piece::Reasoning(text) => {
                let size = tokens(text);
                self.spend(size);
            }
            Piece::Text(_) | Piece::Pause(_) => {}
        }
        match piece {
            Piece::End(end) => Some(end),
            piece => {
                out.push_back(piece);
                None
            }
        }
    }

    fn text(&mut self, delta: &str, out: &mut VecDeque<Piece>) -> Option<End> {
        self.held.push_str(delta);
        let stop = self
            .stop_sequences
            .iter()
            .filter_map(|sequence| Some((self.held.find(sequence.as_str())?, sequence)))
            .min_by_key(|(at, sequence)| (*at, Reverse(sequence.len())))
            .map(|(at, sequence)| (at, sequence.clone()));
        if let Some((at, sequence)) = stop {
            self.held.truncate(at);
            let said = std::mem::take(&mut self.held);
            return Some(self.say(&said, out).unwrap_or(End {
                stop_sequence: Some(sequence),
                ..reason(STOP_SEQUENCE)
            }));
        }
        let free = self.held.len() - self.begun();
        let said: String = self.held.drain(..free).collect();
        self.say(&said, out)
    }

    /// Bytes at the end of the held text that may yet become a stop sequence.
    fn begun(&self) -> usize {
        let begins = |sequence: &String| {
            sequence
                .char_indices()
                .skip(1)
                .map(|(at, _)| at)
                .filter(|at| self.held.ends_with(&sequence[..*at]))
                .max()
        };
        self.stop_sequences.iter().filter_map(begins).max().unwrap_or(0)
    }

    fn say(&mut self, text: &str, out: &mut VecDeque<Piece>) -> Option<End> {
        if text.is_empty() {
            return None;
        }
        let chars = text.chars().count() as u64;
        if let Some(left) = self.left_tokens {
            let room = left.saturating_mul(CHARS_PER_TOKEN).saturating_sub(self.block_chars);
            if chars > room {
                let said: String = text.chars().take(usize::try_from(room).unwrap_or(usize::MAX)).collect();
                self.block_chars += room;
                if !said.is_empty() {
                    out.push_back(Piece::Text(said));
                }
                return Some(reason(MAX_TOKENS));
            }
        }
        self.block_chars += chars;
        out.push_back(Piece::Text(text.to_owned()));
        None
    }

    /// A block of text ends: what was held back is no stop sequence.
    fn flush(&mut self, out: &mut VecDeque<Piece>) -> Option<End> {
        let held = std::mem::take(&mut self.held);
        let ended = self.say(&held, out);
        self.close();
        ended
    }

    fn close(&mut self) {
        let spent = of_chars(std::mem::take(&mut self.block_chars));
        self.spend(spent);
    }

    fn spend(&mut self, tokens: u64) {
        self.output_tokens += tokens;
        if let Some(left) = &mut self.left_tokens {
            *left = left.saturating_sub(tokens);
        }
    }

    fn finish(&mut self, mut end: End) -> End {
        self.close();
        let by_content = if self.used_tool { TOOL_USE } else { END_TURN };
        end.reason.get_or_insert(by_content);
        end.usage.get_or_insert((self.input_tokens, self.output_tokens));
        end
    }
}

fn reason(reason: &'static str) -> End {
    End {
        reason: Some(reason),
        ..End::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::request::ConverseRequest, *};
    use crate::bedrock::request::Abilities;
    use serde_json::json;

    fn conversation(config: Value) -> Conversation {
        let body = json!({"messages": [{"role": "user", "content": [{"text": "hello"}]}], "inferenceConfig": config});
        ConverseRequest::parse(body.to_string().as_bytes())
            .and_then(|request| request.check(Abilities::TEXT))
            .unwrap_or_else(|error| panic!("{}", error.message))
    }

    async fn said(config: Value, pieces: &[Piece]) -> Result<Reply, Broken> {
        let pieces: Vec<Result<Piece, Broken>> = pieces.iter().cloned().map(Ok).collect();
        Speech::new(futures::stream::iter(pieces).boxed(), &conversation(config), false)
            .collect()
            .await
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn tool(input: Value) -> Piece {
        Piece::Tool {
            id: "t".to_owned(),
            name: "query_data".to_owned(),
            input,
        }
    }

    #[tokio::test]
    async fn text_ends_at_a_stop_sequence_wherever_it_is_cut() {
        let whole = "one END two";
        for cut in 0..whole.len() {
            let reply = said(
                json!({"stopSequences": ["END", "END two", "zwei"]}),
                &[text(&whole[..cut]), text(&whole[cut..])],
            )
            .await
            .expect("a reply");
            assert_eq!(reply.end.reason(), STOP_SEQUENCE, "cut at {cut}");
            assert_eq!(reply.blocks, [Said::Text("one ".to_owned())], "cut at {cut}");
        }
        // What only begins like one is said.
        let reply = said(json!({"stopSequences": ["END"]}), &[text("the EN"), tool(json!({}))])
            .await
            .expect("a reply");
        assert_eq!(reply.blocks[0], Said::Text("the EN".to_owned()));
        assert_eq!(reply.end.reason(), TOOL_USE);
    }

    #[tokio::test]
    async fn the_bound_of_tokens_cuts_text_and_drops_a_call_that_does_not_fit() {
        let reply = said(json!({"maxTokens": 2}), &[text("1234567"), text("89")])
            .await
            .expect("a reply");
        assert_eq!(reply.blocks, [Said::Text("12345678".to_owned())]);
        assert_eq!((reply.end.reason(), reply.end.usage().1), (MAX_TOKENS, 2));
        let reply = said(json!({"maxTokens": 3}), &[text("12345"), tool(json!({"a": 1}))])
            .await
            .expect("a reply");
        assert_eq!(reply.blocks, [Said::Text("12345".to_owned())]);
        assert_eq!((reply.end.reason(), reply.end.usage().1), (MAX_TOKENS, 2));
        let reply = said(json!({"maxTokens": 4}), &[text("12345"), tool(json!({"a": 1}))])
            .await
            .expect("a reply");
        assert_eq!((reply.end.reason(), reply.end.usage().1), (TOOL_USE, 4));
    }

    #[tokio::test]
    async fn a_call_in_parts_is_put_together_or_refused() {
        let parts = |input: &[&str]| {
            let mut pieces = vec![Piece::ToolStart {
                id: "t".to_owned(),
                name: "query_data".to_owned(),
            }];
            pieces.extend(input.iter().map(|part| Piece::ToolInput((*part).to_owned())));
            pieces
        };
        let reply = said(json!({}), &parts(&["{\"a\"", ": 1}"])).await.expect("a reply");
        let Said::Tool { input, .. } = &reply.blocks[0] else {
            panic!("{reply:?}")
        };
        assert_eq!(*input, json!({"a": 1}));
        assert!(said(json!({}), &parts(&[])).await.is_ok());
        assert!(matches!(
            said(json!({}), &parts(&["{\"a\""])).await,
            Err(Broken::Exception { .. })
        ));
        let mut cut = parts(&["{\"a\""]);
        cut.push(Piece::End(reason(MAX_TOKENS)));
        assert_eq!(said(json!({}), &cut).await.expect("a reply").blocks, []);
    }

    #[test]
    fn fields_are_given_under_their_paths() {
        let end = End {
            fields: Map::from_iter([("a".to_owned(), json!({"b": [1, 2]}))]),
            ..End::default()
        };
        let paths = ["/a/b", "/stop_sequence", "/none"].map(str::to_owned);
        assert_eq!(
            end.asked_fields(&paths),
            Some(json!({"a": {"b": [1, 2]}, "stop_sequence": null}))
        );
        assert_eq!(end.asked_fields(&[]), None);
    }
}
