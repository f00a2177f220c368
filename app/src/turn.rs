//! One question and what has come back for it so far: the events of [`concert_contract::chat`] folded into what the
//! page shows.

use concert_contract::{
    chat::{ChatEvent, Clarify, Suggestion, ToolResult, TurnState, Understood},
    error::ErrorEnvelope,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Sent, nothing has come back.
    #[default]
    Waiting,
    Streaming,
    Complete,
    Stopped,
    Failed,
}

/// Why there is no answer, or no whole one.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The server answered with an error.
    Envelope(Box<ErrorEnvelope>),
    /// No server was reached.
    Unreachable,
    /// The stream ended before the turn did.
    CutOff,
    /// Something answered, but not as our server does.
    Unreadable(String),
}

/// A call of a tool: running while it has no result.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub id: String,
    pub tool: String,
    pub result: Option<ToolResult>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    pub phase: Phase,
    pub turn_id: Option<String>,
    pub conversation_id: Option<String>,
    pub text: String,
    /// After each result: its call's id, and how much text there was then. What a reset goes back to.
    marks: Vec<(String, usize)>,
    pub steps: Vec<Step>,
    pub clarify: Option<Clarify>,
    pub understood: Vec<Understood>,
    pub not_understood: Vec<String>,
    /// 0 to 1, how sure the model is that it understood; none while it has not said.
    pub confidence: Option<f64>,
    pub follow_ups: Vec<Suggestion>,
    pub problem: Option<Problem>,
}

impl Turn {
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Streaming)
    }

    /// Tool results with data, in the order in which they were asked for.
    pub fn results(&self) -> impl Iterator<Item = &ToolResult> {
        self.steps
            .iter()
            .filter_map(|step| step.result.as_ref())
            .filter(|result| result.table.is_some())
    }

    /// What to read: the model's text, or the sentences made by rules where it wrote none.
    pub fn words(&self) -> String {
        if !self.text.trim().is_empty() || self.is_running() {
            return self.text.clone();
        }
        self.results()
            .filter_map(|result| result.summary.clone())
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    pub fn apply(&mut self, event: ChatEvent) {
        if self.is_running() {
            self.phase = Phase::Streaming;
        }
        match event {
            ChatEvent::Ack { turn, conversation_id } => {
                self.turn_id = Some(turn);
                self.conversation_id = Some(conversation_id);
            }
            ChatEvent::Text { delta } => self.text.push_str(&delta),
            ChatEvent::ToolCall { id, tool, .. } => {
                if !self.steps.iter().any(|step| step.id == id) {
                    self.steps.push(Step { id, tool, result: None });
                }
            }
            ChatEvent::ToolResult(result) => {
                self.marks.push((result.id.clone(), self.text.len()));
                self.take(*result);
            }
            ChatEvent::Usage { .. } => {}
            ChatEvent::Clarify { question, choices } => self.clarify = Some(Clarify { question, choices }),
            ChatEvent::FollowUps {
                understood,
                not_understood,
                confidence,
                follow_ups,
            } => {
                self.confidence = Some(confidence);
                self.understood = understood;
                self.not_understood = not_understood;
                self.follow_ups = follow_ups;
            }
            // What came after the result that it names is said again.
            ChatEvent::Reset { after } => {
                let kept = self
                    .marks
                    .iter()
                    .position(|(id, _)| *id == after)
                    .map_or(0, |at| at + 1);
                self.marks.truncate(kept);
                self.text.truncate(self.marks.last().map_or(0, |(_, len)| *len));
                let marks = &self.marks;
                self.steps.retain(|step| marks.iter().any(|(id, _)| *id == step.id));
                self.clarify = None;
                self.problem = None;
            }
            ChatEvent::Done { state } => {
                self.phase = match state {
                    TurnState::Complete if self.problem.is_none() => Phase::Complete,
                    TurnState::Stopped => Phase::Stopped,
                    TurnState::Complete | TurnState::Failed => Phase::Failed,
                }
            }
            ChatEvent::Error(envelope) => self.problem = Some(Problem::Envelope(Box::new(envelope))),
        }
    }

    fn take(&mut self, result: ToolResult) {
        match self.steps.iter_mut().find(|step| step.id == result.id) {
            Some(step) => step.result = Some(result),
            None => self.steps.push(Step {
                id: result.id.clone(),
                tool: result.tool.clone(),
                result: Some(result),
            }),
        }
    }

    /// The connection is over, with or without a problem of its own.
    pub fn end(&mut self, problem: Option<Problem>) {
        if !self.is_running() {
            return;
        }
        self.problem = self.problem.take().or(problem).or(Some(Problem::CutOff));
        self.phase = Phase::Failed;
    }

    /// The viewer stopped it; what is there stays.
    pub fn stop(&mut self) {
        if self.is_running() {
            self.phase = Phase::Stopped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::table::Table;

    fn text(delta: &str) -> ChatEvent {
        ChatEvent::Text { delta: delta.into() }
    }

    fn call(id: &str) -> ChatEvent {
        ChatEvent::ToolCall {
            id: id.into(),
            tool: "query_data".into(),
            input: serde_json::json!({}),
        }
    }

    fn result(id: &str, summary: &str) -> ChatEvent {
        ChatEvent::ToolResult(Box::new(ToolResult {
            id: id.into(),
            tool: "query_data".into(),
            table: Some(Table::default()),
            summary: Some(summary.into()),
            ..ToolResult::default()
        }))
    }

    fn fold(events: Vec<ChatEvent>) -> Turn {
        let mut turn = Turn::default();
        events.into_iter().for_each(|event| turn.apply(event));
        turn
    }

    #[test]
    fn a_whole_turn() {
        let turn = fold(vec![
            ChatEvent::Ack {
                turn: "t".into(),
                conversation_id: "c".into(),
            },
            call("1"),
            result("1", "rule"),
            text("Fu"),
            text("gazi"),
            ChatEvent::Done {
                state: TurnState::Complete,
            },
        ]);
        assert_eq!(
            (turn.phase, turn.words().as_str(), turn.steps.len()),
            (Phase::Complete, "Fugazi", 1)
        );
        assert_eq!(turn.conversation_id.as_deref(), Some("c"));
    }

    #[test]
    fn without_text_the_rules_speak() {
        let turn = fold(vec![
            call("1"),
            result("1", "One."),
            result("2", "Two."),
            ChatEvent::Done {
                state: TurnState::Complete,
            },
        ]);
        assert_eq!(turn.words(), "One.\n\nTwo.");
    }

    #[test]
    fn a_reset_goes_back_to_the_result_that_it_names() {
        let turn = fold(vec![
            text("Looking. "),
            call("1"),
            result("1", "r"),
            call("2"),
            text("half"),
            result("2", "r"),
            ChatEvent::Reset { after: "1".into() },
        ]);
        assert_eq!((turn.text.as_str(), turn.steps.len()), ("Looking. ", 1));
        let turn = fold(vec![text("half"), ChatEvent::Reset { after: String::new() }]);
        assert_eq!(turn.text, "");
        assert!(turn.is_running());
    }

    #[test]
    fn an_end_without_done_is_a_cut() {
        let mut turn = fold(vec![text("half")]);
        turn.end(None);
        assert_eq!((turn.phase, &turn.problem), (Phase::Failed, &Some(Problem::CutOff)));
        turn.stop();
        assert_eq!(turn.phase, Phase::Failed);
    }

    #[test]
    fn an_error_before_done_fails_the_turn() {
        let envelope: ErrorEnvelope = serde_json::from_value(serde_json::json!({
            "error_code": "upstream_unavailable", "error_message": "m", "error_category": "upstream",
            "timestamp": "2026-11-21T00:00:00Z", "correlation_id": "c", "retry_after": null, "suggested_action": null
        }))
        .unwrap();
        let turn = fold(vec![
            ChatEvent::Error(envelope),
            ChatEvent::Done {
                state: TurnState::Complete,
            },
        ]);
        assert_eq!(turn.phase, Phase::Failed);
    }
}
