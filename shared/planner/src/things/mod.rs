//! Questions about things: which of them there are, what they have, how many of others belong to them.
//!
//! Where a catalogue has tables of things and not one of figures, most questions ask for rows: the names and ages of the
//! students, the customers without orders, the longest song. They are read here, by what every schema has: things,
//! attributes, values, and which thing belongs to which. What is told in figures over time is left to the builder.

mod lex;
mod read;
mod request;
mod schema;
mod words;
mod write;

pub(crate) use schema::Schema;

use crate::index::ValueIndex;
use concert_contract::{catalogue::Catalogue, chat::Understood, query::Query};
use jiff::civil::Date;
use lex::Lexer;
use read::{Reader, State};
use write::Writer;

/// A question as a query about things.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub query: Query,
    pub understood: Vec<Understood>,
    /// Indexes of the tokens that found no place.
    pub unknown: Vec<usize>,
    pub guesses: usize,
}

/// Reads a question; None where it asks for something else than things can answer.
pub(crate) fn read(
    catalogue: &Catalogue,
    values: &ValueIndex,
    schema: &Schema,
    question: &str,
    today: Date,
) -> Option<Reading> {
    let tokens = &crate::text::tokens(question);
    let mut spans = Lexer {
        catalogue,
        values,
        schema,
        today,
    }
    .spans(tokens);
    // Of values that only signs tell apart, "O+" and "O-", the one that is written there.
    let written = question.to_lowercase();
    for span in &mut spans {
        let is_written = |hit: &lex::Hit| written.contains(&hit.value.to_lowercase());
        let known: Vec<usize> = span
            .hits
            .iter()
            .filter(|hit| is_written(hit))
            .map(|hit| hit.attribute)
            .collect();
        span.hits
            .retain(|hit| is_written(hit) || !known.contains(&hit.attribute));
    }
    let state = Reader {
        schema,
        tokens,
        spans: &spans,
        state: State::default(),
    }
    .read()?;
    let query = Writer { catalogue, schema }.query(&state.request)?;
    let unknown = Reader::unknown(&state, &spans);
    let words = |at: usize| {
        let span = spans.get(at)?;
        let tokens = tokens.get(span.at..span.end())?;
        Some(
            tokens
                .iter()
                .map(|token| token.text.as_str())
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    let mut told = state.told;
    told.sort_by_key(|(at, _)| *at);
    let understood = told
        .into_iter()
        .filter_map(|(at, meaning)| {
            Some(Understood {
                words: words(at)?,
                meaning,
            })
        })
        .collect();
    Some(Reading {
        query,
        understood,
        unknown,
        guesses: state.guesses,
    })
}
