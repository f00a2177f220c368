//! What is worth remembering of what was said, by rules that docs/local-store.md states. AWS asks a language model;
//! here the same kinds of records, in the same shapes, come of patterns that anyone can check.
//!
//! A sentence of the user's becomes a preference or a fact if it begins as one does. Questions, requests and what the
//! assistant says become nothing but part of the session's summary.

use serde_json::json;

/// A built-in strategy: its id, and the namespace of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strategy {
    pub id: &'static str,
    /// Whether records belong to one session rather than to an actor.
    by_session: bool,
}

/// `userPreferenceMemoryStrategy`: JSON texts with `context`, `preference` and `categories`.
pub const PREFERENCES: Strategy = Strategy {
    id: "preferences-localprefs",
    by_session: false,
};
/// `semanticMemoryStrategy`: sentences about the user.
pub const FACTS: Strategy = Strategy {
    id: "facts-localfacts",
    by_session: false,
};
/// `summaryMemoryStrategy`: one text for each session, with a `<topic name="…">` for each question.
pub const SUMMARIES: Strategy = Strategy {
    id: "summaries-localsumms",
    by_session: true,
};

impl Strategy {
    /// `/strategies/{id}/actors/{actor}`, for summaries with `/sessions/{session}`.
    pub fn namespace(&self, actor: &str, session: &str) -> String {
        let mut out = format!("/strategies/{}/actors/{actor}", self.id);
        if self.by_session {
            out.push_str("/sessions/");
            out.push_str(session);
        }
        out
    }
}

/// A message of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub is_user: bool,
    pub is_assistant: bool,
    pub text: &'a str,
}

/// Something to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub strategy: Strategy,
    /// The record's text.
    pub text: String,
    /// What it is about: a later finding about the same takes an earlier one's place.
    pub subject: String,
}

const SENTENCE_MIN_CHARS: usize = 5;
const SENTENCE_MAX_CHARS: usize = 300;
/// Findings of one message.
const FINDINGS_MAX: usize = 20;

/// Sentences end at `.`, `!`, `?`, `;` before a space or the end, and at line ends; the sign stays with them.
fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ends = match c {
            '\n' => true,
            '.' | '!' | '?' | ';' => {
                chars.peek().is_none_or(|(_, next)| next.is_whitespace()) && !abbreviated(&text[start..at])
            }
            _ => false,
        };
        if ends {
            let end = at + c.len_utf8();
            out.push(text[start..end].trim());
            start = end;
        }
    }
    out.push(text[start..].trim());
    out.retain(|sentence| !sentence.is_empty());
    out
}

/// `St. Paul`, `e.g. Metro`, `J. Cole`
fn abbreviated(before: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace()).next().unwrap_or_default();
    let lower = word.to_lowercase();
    ["st", "mr", "mrs", "ms", "dr", "vs", "e.g", "i.e", "etc", "no", "approx"].contains(&lower.as_str())
        || (word.chars().count() == 1 && word.chars().all(char::is_uppercase) && word != "I")
}

/// What is to be remembered of one message of the user's.
pub(super) fn findings(text: &str) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    for sentence in sentences(text) {
        if out.len() == FINDINGS_MAX {
            break;
        }
        if let Some(finding) = finding(sentence) {
            out.retain(|earlier| (earlier.strategy, &earlier.subject) != (finding.strategy, &finding.subject));
            out.push(finding);
        }
    }
    out
}

/// Openings that say nothing themselves.
const OPENINGS: [&str; 24] = [
    "please remember that ",
    "remember that ",
    "remember: ",
    "remember, ",
    "please note that ",
    "note that ",
    "for the record, ",
    "keep in mind that ",
    "just so you know, ",
    "by the way, ",
    "btw, ",
    "fyi, ",
    "from now on, ",
    "from now on ",
    "in future, ",
    "in the future, ",
    "going forward, ",
    "please ",
    "also, ",
    "and ",
    "but ",
    "ok, ",
    "hi, ",
    "hello, ",
];

fn finding(sentence: &str) -> Option<Finding> {
    let length = sentence.chars().count();
    if sentence.ends_with('?') || !(SENTENCE_MIN_CHARS..=SENTENCE_MAX_CHARS).contains(&length) {
        return None;
    }
    let plain = sentence.replace('\u{2019}', "'");
    let mut said = plain.trim_end_matches(['.', '!', ';', ' ']).trim();
    let mut kept_on_request = false;
    while let Some(opening) = OPENINGS.iter().find(|opening| starts(said, opening)) {
        kept_on_request |= opening.contains("remember") || opening.contains("note") || opening.contains("in mind");
        said = said[opening.len()..].trim_start();
    }
    if said.is_empty() {
        return None;
    }
    preference(said, sentence).or_else(|| fact(said)).or_else(|| {
        kept_on_request.then(|| Finding {
            strategy: FACTS,
            text: sentence_of(&about_user(said)),
            subject: subject(said),
        })
    })
}

fn starts(text: &str, opening: &str) -> bool {
    text.get(..opening.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(opening))
}

/// The rest after an opening, where there is one.
fn after<'a>(text: &'a str, opening: &str) -> Option<&'a str> {
    starts(text, opening)
        .then(|| text[opening.len()..].trim())
        .filter(|rest| !rest.is_empty())
}

/// What a user likes: verbs, with what they become in the third person.
const LIKINGS: [(&str, &str); 22] = [
    ("i prefer ", "Prefers"),
    ("i'd rather ", "Would rather"),
    ("i would rather ", "Would rather"),
    ("i really like ", "Likes"),
    ("i like ", "Likes"),
    ("i really love ", "Loves"),
    ("i love ", "Loves"),
    ("i enjoy ", "Enjoys"),
    ("i favour ", "Favours"),
    ("i favor ", "Favors"),
    ("i hate ", "Hates"),
    ("i dislike ", "Dislikes"),
    ("i don't like ", "Does not like"),
    ("i do not like ", "Does not like"),
    ("i can't stand ", "Cannot stand"),
    ("i'm not a fan of ", "Is not a fan of"),
    ("i'm a fan of ", "Is a fan of"),
    ("i care most about ", "Cares most about"),
    ("i care about ", "Cares about"),
    ("i'm only interested in ", "Is only interested in"),
    ("i'm mostly interested in ", "Is mostly interested in"),
    ("i am only interested in ", "Is only interested in"),
];

/// Standing orders.
const ORDERS: [&str; 12] = [
    "always ",
    "never ",
    "by default ",
    "by default, ",
    "usually ",
    "don't ever ",
    "do not ever ",
    "whenever ",
    "unless i say ",
    "call me ",
    "i always want ",
    "i never want ",
];

fn preference(said: &str, context: &str) -> Option<Finding> {
    let lower = said.to_lowercase();
    let made = |preference: String, subject: String| {
        let text = json!({
            "context": format!("The user said: \"{context}\""),
            "preference": preference,
            "categories": categories(&lower),
        });
        Some(Finding {
            strategy: PREFERENCES,
            text: text.to_string(),
            subject,
        })
    };
    for (opening, verb) in LIKINGS {
        if let Some(rest) = after(said, opening) {
            // «I like» what one also hates: the last word counts.
            return made(format!("{verb} {rest}"), format!("taste {}", subject(rest)));
        }
    }
    for opening in ["my favourite ", "my favorite ", "my preferred "] {
        if let Some(rest) = after(said, opening) {
            let (what, _) = split_being(rest)?;
            return made(capital(&said[3..]), format!("favourite {}", subject(what)));
        }
    }
    for opening in ORDERS {
        if let Some(rest) = after(said, opening) {
            let topic = match opening {
                "call me " => "call me".to_owned(),
                // The opposite order takes the place of the order.
                _ => format!("order {}", order_subject(rest)),
            };
            return made(capital(said), topic);
        }
    }
    None
}

/// An order is about its verb and what it is done to; «in euros» and «in dollars» are two answers to one matter.
fn order_subject(rest: &str) -> String {
    let rest = rest.to_lowercase();
    let cut = [" in ", " as ", " with ", " by ", " to "]
        .iter()
        .filter_map(|word| rest.find(word))
        .min()
        .unwrap_or(rest.len());
    subject(&rest[..cut])
}

/// Verbs after «I» and «we» that say a lasting thing.
const FACT_VERBS: [&str; 18] = [
    "work",
    "live",
    "manage",
    "run",
    "own",
    "book",
    "promote",
    "represent",
    "organise",
    "organize",
    "operate",
    "report",
    "look",
    "handle",
    "focus",
    "specialise",
    "specialize",
    "have",
];

fn fact(said: &str) -> Option<Finding> {
    let made = |text: String, subject: String| {
        Some(Finding {
            strategy: FACTS,
            text: sentence_of(&text),
            subject,
        })
    };
    for (opening, owner) in [("my ", "The user's"), ("our ", "The user's team's")] {
        if let Some(rest) = after(said, opening) {
            let (what, being) = split_being(rest)?;
            // «My question is …» and the like are about this talk alone.
            if ["question", "guess", "point", "problem", "next question", "request"]
                .contains(&what.to_lowercase().as_str())
            {
                return None;
            }
            return made(
                format!("{owner} {what} {}", about_user(being)),
                format!("{owner} {}", subject(what)),
            );
        }
    }
    for opening in ["i am ", "i'm "] {
        if let Some(rest) = after(said, opening) {
            let first = rest.split_whitespace().next().unwrap_or_default().to_lowercase();
            let lasting = [
                "a",
                "an",
                "the",
                "based",
                "from",
                "responsible",
                "in",
                "at",
                "head",
                "with",
            ];
            // «I'm looking for …» is what the user does now.
            return if lasting.contains(&first.as_str()) {
                made(
                    format!("The user is {}", about_user(rest)),
                    format!("is {}", being_subject(&first, rest)),
                )
            } else {
                None
            };
        }
    }
    let (who, rest) = if let Some(rest) = after(said, "i ") {
        ("The user", rest)
    } else if let Some(rest) = after(said, "we ") {
        ("The user's team", rest)
    } else {
        return None;
    };
    let (verb, more) = rest.split_once(' ')?;
    let verb = verb.to_lowercase();
    // «I have a question», «I look at …» are no lasting things.
    let passing = match verb.as_str() {
        "have" => [
            "a question",
            "to ",
            "another",
            "been ",
            "no idea",
            "a problem",
            "seen",
            "a feeling",
        ]
        .iter()
        .any(|head| more.to_lowercase().starts_with(head)),
        "look" => !more.to_lowercase().starts_with("after "),
        "report" => !more.to_lowercase().starts_with("to "),
        other => !FACT_VERBS.contains(&other),
    };
    if passing {
        return None;
    }
    made(
        format!("{who} {} {}", third_person(&verb), about_user(more)),
        format!("{who} {verb} {}", verb_subject(&verb, more)),
    )
}

/// A verb of which there is one object at a time is its own subject: who works elsewhere works no longer here.
fn verb_subject(verb: &str, more: &str) -> String {
    if ["work", "live", "report"].contains(&verb) {
        let at = more.split_whitespace().next().unwrap_or_default();
        return at.to_lowercase();
    }
    subject(more)
}

fn being_subject(first: &str, rest: &str) -> String {
    match first {
        "based" | "from" => first.to_owned(),
        _ => subject(rest),
    }
}

/// «venues» and «are the Metro and Schubas» of «venues are the Metro and Schubas».
fn split_being(rest: &str) -> Option<(&str, &str)> {
    let at = [" is ", " are ", " was ", " were ", " has ", " have "]
        .iter()
        .filter_map(|verb| rest.to_ascii_lowercase().find(verb))
        .min()?;
    let (what, being) = rest.split_at(at);
    let what = what.trim();
    // A thing has a short name; more words are a clause.
    (!what.is_empty() && what.split_whitespace().count() <= 5).then_some((what, being.trim()))
}

fn third_person(verb: &str) -> String {
    match verb {
        "have" => "has".to_owned(),
        _ if verb.ends_with("ch") || verb.ends_with("sh") || verb.ends_with('s') => format!("{verb}es"),
        _ => format!("{verb}s"),
    }
}

/// The first person becomes the third, word by word.
fn about_user(text: &str) -> String {
    text.split(' ')
        .map(|word| match word.to_lowercase().as_str() {
            "my" | "our" => "their",
            "i" | "we" => "they",
            "me" | "us" => "them",
            "i'm" | "we're" => "they're",
            "mine" | "ours" => "theirs",
            _ => word,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn capital(text: &str) -> String {
    let mut chars = text.trim().chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

fn sentence_of(text: &str) -> String {
    format!("{}.", capital(text))
}

/// The words that count, in order.
fn subject(text: &str) -> String {
    super::rank::words(text).join(" ")
}

/// What a preference is about, by words in it.
const CATEGORIES: [(&str, &[&str]); 6] = [
    (
        "display",
        &[
            "show", "chart", "table", "graph", "format", "decimal", "round", "number", "percent", "sort", "list",
            "bar", "line", "column",
        ],
    ),
    (
        "currency",
        &["euro", "eur", "dollar", "usd", "pound", "gbp", "currency", "yen"],
    ),
    (
        "venues",
        &[
            "venue", "theater", "theatre", "arena", "club", "stadium", "hall", "festival", "room",
        ],
    ),
    (
        "music",
        &[
            "artist",
            "band",
            "genre",
            "music",
            "rock",
            "jazz",
            "pop",
            "metal",
            "indie",
            "folk",
            "country",
            "classical",
            "song",
        ],
    ),
    (
        "places",
        &[
            "city", "cities", "state", "region", "town", "chicago", "berlin", "london", "york",
        ],
    ),
    (
        "communication",
        &[
            "answer", "call", "short", "brief", "detail", "explain", "word", "tone", "language", "english", "german",
        ],
    ),
];

fn categories(lower: &str) -> Vec<&'static str> {
    let words = super::rank::words(lower);
    let found: Vec<&str> = CATEGORIES
        .iter()
        .filter(|(_, signs)| words.iter().any(|word| signs.contains(&word.as_str())))
        .map(|(category, _)| *category)
        .collect();
    if found.is_empty() { vec!["general"] } else { found }
}

/// A question of the session's and what was answered to it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Topic {
    asked: String,
    answered: Option<String>,
}

/// Topics that a summary holds; the oldest are left out.
const TOPICS_MAX: usize = 20;
const TOPIC_NAME_WORDS: usize = 8;
const SUMMARY_PART_MAX_CHARS: usize = 300;

/// Carries a session's topics on with the messages of an event.
pub(super) fn carry_on(topics: &mut Vec<Topic>, messages: &[Message<'_>]) {
    for message in messages {
        if message.is_user {
            topics.push(Topic {
                asked: shortened(message.text),
                answered: None,
            });
        } else if message.is_assistant
            && let Some(topic) = topics.last_mut()
            && topic.answered.is_none()
        {
            let first = sentences(message.text).first().copied().unwrap_or_default();
            topic.answered = Some(shortened(first));
        }
    }
    let surplus = topics.len().saturating_sub(TOPICS_MAX);
    topics.drain(..surplus);
}

/// The text of a summary.
pub(super) fn summary(topics: &[Topic]) -> String {
    let parts: Vec<String> = topics
        .iter()
        .map(|topic| {
            let words: Vec<&str> = topic.asked.split_whitespace().take(TOPIC_NAME_WORDS).collect();
            let name = words.join(" ");
            let name = name.trim_end_matches(['.', '?', '!', ',', ';', ':']);
            let mut text = format!("The user said: {}", escaped(&topic.asked));
            if let Some(answered) = &topic.answered {
                text.push_str(&format!(" The assistant answered: {}", escaped(answered)));
            }
            format!("<topic name=\"{}\">\n{text}\n</topic>", escaped(name))
        })
        .collect();
    parts.join("\n")
}

fn shortened(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= SUMMARY_PART_MAX_CHARS {
        return flat;
    }
    let cut: String = flat.chars().take(SUMMARY_PART_MAX_CHARS - 1).collect();
    format!("{}…", cut.trim_end())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
