//! A turn's events folded into one answer, for clients that ask for JSON and for reading a conversation again.

use crate::store::turns::{Numbered, TurnKey};
use concert_contract::{
    chat::{ChatAnswer, ChatEvent, Clarify},
    error::ErrorEnvelope,
};
use futures::{StreamExt, channel::mpsc::UnboundedReceiver};

pub struct Answered {
    pub answer: ChatAnswer,
    pub error: Option<ErrorEnvelope>,
}

pub async fn gather(turn: &TurnKey, mut events: UnboundedReceiver<Numbered>) -> Answered {
    let mut fold = Fold::new(turn);
    while let Some(Numbered { event, .. }) = events.next().await {
        let is_done = matches!(event, ChatEvent::Done { .. });
        fold.apply(event);
        if is_done {
            break;
        }
    }
    fold.answered
}

/// The answer that `events` tell.
pub fn answer_of<'a>(turn: &TurnKey, events: impl Iterator<Item = &'a Numbered>) -> Answered {
    let mut fold = Fold::new(turn);
    for numbered in events {
        fold.apply(numbered.event.clone());
    }
    fold.answered
}

struct Fold {
    answered: Answered,
    /// After each result: its call's id, and how much text there was then. What a `reset` goes back to.
    marks: Vec<(String, usize)>,
}

impl Fold {
    fn new(turn: &TurnKey) -> Fold {
        Fold {
            answered: Answered {
                answer: ChatAnswer {
                    turn: turn.id(),
                    conversation_id: turn.conversation_id.clone(),
                    text: String::new(),
                    results: Vec::new(),
                    understood: Vec::new(),
                    not_understood: Vec::new(),
                    confidence: None,
                    follow_ups: Vec::new(),
                    clarify: None,
                },
                error: None,
            },
            marks: Vec::new(),
        }
    }

    fn apply(&mut self, event: ChatEvent) {
        let answer = &mut self.answered.answer;
        match event {
            ChatEvent::Text { delta } => answer.text.push_str(&delta),
            ChatEvent::ToolResult(result) => {
                self.marks.push((result.id.clone(), answer.text.len()));
                answer.results.push(*result);
            }
            ChatEvent::Clarify { question, choices } => answer.clarify = Some(Clarify { question, choices }),
            ChatEvent::FollowUps {
                understood,
                not_understood,
                confidence,
                follow_ups,
            } => {
                answer.understood = understood;
                answer.not_understood = not_understood;
                answer.confidence = Some(confidence);
                answer.follow_ups = follow_ups;
            }
            ChatEvent::Reset { after } => {
                let kept = self
                    .marks
                    .iter()
                    .position(|(id, _)| *id == after)
                    .map_or(0, |at| at + 1);
                self.marks.truncate(kept);
                answer.text.truncate(self.marks.last().map_or(0, |(_, len)| *len));
                answer.results.truncate(kept);
                answer.clarify = None;
                self.answered.error = None;
            }
            ChatEvent::Error(envelope) => self.answered.error = Some(envelope),
            ChatEvent::Ack { .. } | ChatEvent::ToolCall { .. } | ChatEvent::Usage { .. } | ChatEvent::Done { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::chat::ToolResult;

    #[test]
    fn a_reset_takes_back_what_came_after_the_result_that_it_names() {
        let turn = TurnKey {
            viewer: "v".into(),
            conversation_id: "c".into(),
            hash: "h".into(),
        };
        let text = |delta: &str| ChatEvent::Text { delta: delta.into() };
        let result = |id: &str| {
            ChatEvent::ToolResult(Box::new(ToolResult {
                id: id.into(),
                ..ToolResult::default()
            }))
        };
        let events: Vec<Numbered> = [
            text("Looking. "),
            result("1"),
            text("half"),
            result("2"),
            ChatEvent::Reset { after: "1".into() },
            text("Whole."),
        ]
        .into_iter()
        .zip(2..)
        .map(|(event, n)| Numbered { n, event })
        .collect();
        let answer = answer_of(&turn, events.iter()).answer;
        assert_eq!((answer.text.as_str(), answer.results.len()), ("Looking. Whole.", 1));
    }
}
