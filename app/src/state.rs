//! What the page remembers while it is open: conversations, the catalogue, the theme, whether the browser is online.

use crate::{
    api, browser,
    theme::Theme,
    turn::{Problem, Turn},
};
use concert_contract::{api::CatalogueAnswer, chat::ChatRequest};
use leptos::prelude::*;
use std::{cell::RefCell, collections::HashMap, sync::Arc};
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

thread_local! {
    /// The requests under way, by question. Not in a signal: a controller is a JavaScript object, and no view shows it.
    static RUNNING: RefCell<HashMap<u32, AbortController>> = RefCell::default();
}

/// A question and its answer.
#[derive(Clone)]
pub struct Exchange {
    pub id: u32,
    pub question: String,
    pub turn: ArcRwSignal<Turn>,
}

#[derive(Clone)]
pub struct Conversation {
    pub id: u32,
    /// Its first question.
    pub title: String,
    pub exchanges: ArcRwSignal<Vec<Exchange>>,
}

/// What is known of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub enum Loaded {
    Loading,
    Ready(Arc<CatalogueAnswer>),
    Failed(Problem),
}

#[derive(Clone, Copy)]
pub struct State {
    pub conversations: RwSignal<Vec<Conversation>>,
    /// The conversation that is open; none on the first visit and after "New question".
    pub current: RwSignal<Option<u32>>,
    pub catalogue: RwSignal<Loaded>,
    pub theme: RwSignal<Theme>,
    /// Whether the dark colours are on. Set after the page has them.
    pub dark: RwSignal<bool>,
    pub online: RwSignal<bool>,
    /// Minutes since the page was opened: whoever shows an age reads it.
    pub minutes: RwSignal<u32>,
    next_id: StoredValue<u32>,
}

impl State {
    pub fn new() -> State {
        State {
            conversations: RwSignal::new(Vec::new()),
            current: RwSignal::new(None),
            catalogue: RwSignal::new(Loaded::Loading),
            theme: RwSignal::new(Theme::wanted()),
            dark: RwSignal::new(Theme::wanted().is_dark()),
            online: RwSignal::new(window().navigator().on_line()),
            minutes: RwSignal::new(0),
            next_id: StoredValue::new(1),
        }
    }

    /// # Panics
    /// Outside of [`crate::app::App`], which provides it.
    pub fn get() -> State {
        expect_context::<State>()
    }

    fn new_id(self) -> u32 {
        let id = self.next_id.get_value();
        self.next_id.set_value(id + 1);
        id
    }

    /// Whether the catalogue says that nothing is loaded.
    pub fn is_empty(self) -> bool {
        matches!(&*self.catalogue.read_untracked(), Loaded::Ready(answer) if answer.data.snapshot_id.is_empty())
    }

    pub fn load_catalogue(self) {
        if !matches!(self.catalogue.get_untracked(), Loaded::Ready(_)) {
            self.catalogue.set(Loaded::Loading);
        }
        spawn_local(async move {
            match api::catalogue().await {
                Ok(answer) => self.catalogue.set(Loaded::Ready(Arc::new(answer))),
                // An older catalogue is better than none.
                Err(problem) if !matches!(self.catalogue.get_untracked(), Loaded::Ready(_)) => {
                    self.catalogue.set(Loaded::Failed(problem));
                }
                Err(_) => {}
            }
        });
    }

    pub fn open(self) -> Option<Conversation> {
        let current = self.current.get()?;
        self.conversations
            .read()
            .iter()
            .find(|conversation| conversation.id == current)
            .cloned()
    }

    pub fn is_running(self) -> bool {
        self.open().is_some_and(|conversation| {
            conversation
                .exchanges
                .read()
                .last()
                .is_some_and(|exchange| exchange.turn.read().is_running())
        })
    }

    /// Asks in the open conversation, or begins one. Blank questions, and a second while one runs, are passed over.
    pub fn ask(self, question: &str) {
        let question = question.trim().to_owned();
        if question.is_empty() || untrack(|| self.is_running()) {
            return;
        }
        let conversation = untrack(|| self.open()).unwrap_or_else(|| {
            let id = self.new_id();
            let conversation = Conversation {
                id,
                title: question.clone(),
                exchanges: ArcRwSignal::new(Vec::new()),
            };
            self.conversations.update(|all| all.insert(0, conversation.clone()));
            self.current.set(Some(id));
            conversation
        });
        let id = self.new_id();
        let exchange = Exchange {
            id,
            question,
            turn: ArcRwSignal::new(Turn::default()),
        };
        conversation
            .exchanges
            .update(|exchanges| exchanges.push(exchange.clone()));
        self.send(&conversation, exchange);
        browser::focus_composer_or_rest();
    }

    /// Asks the same again, in the place of the answer that failed or was stopped.
    pub fn retry(self, exchange: &Exchange) {
        let Some(conversation) = untrack(|| self.open()) else {
            return;
        };
        if untrack(|| self.is_running()) {
            return;
        }
        exchange.turn.set(Turn::default());
        self.send(&conversation, exchange.clone());
    }

    /// Breaks off; what has come stays.
    pub fn stop(self) {
        let Some(conversation) = untrack(|| self.open()) else {
            return;
        };
        let Some(exchange) = conversation.exchanges.read_untracked().last().cloned() else {
            return;
        };
        exchange.turn.update(Turn::stop);
        // Closing the connection alone would let the answer go on.
        if let Some(turn) = exchange.turn.read_untracked().turn_id.clone() {
            spawn_local(api::stop(turn));
        }
        if let Some(controller) = RUNNING.with_borrow_mut(|running| running.remove(&exchange.id)) {
            controller.abort();
        }
    }

    fn send(self, conversation: &Conversation, exchange: Exchange) {
        let conversation_id = conversation
            .exchanges
            .read_untracked()
            .iter()
            .rev()
            .find_map(|exchange| exchange.turn.read_untracked().conversation_id.clone());
        let request = ChatRequest {
            message: exchange.question.clone(),
            conversation_id,
            parent_id: None,
        };
        let Ok(controller) = AbortController::new() else { return };
        let signal = controller.signal();
        RUNNING.with_borrow_mut(|running| running.insert(exchange.id, controller));
        let turn = exchange.turn;
        spawn_local(async move {
            let shown = turn.clone();
            let end = api::chat(&request, &signal, move |events| {
                shown.update(|turn| events.into_iter().for_each(|event| turn.apply(event)));
            })
            .await;
            // After a stop another try of the same question may already be under way: leave its turn alone.
            if !signal.aborted() {
                RUNNING.with_borrow_mut(|running| running.remove(&exchange.id));
                turn.update(|turn| turn.end(end.err()));
            }
        });
    }

    pub fn new_question(self) {
        self.current.set(None);
        browser::focus("#question");
    }
}
