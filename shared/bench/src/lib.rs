//! A module as small as it can be, that holds the query compiler, or the guard as well, or neither: the difference of
//! their sizes is what an edge grows by each. Natively the same functions are timed.

#[cfg(feature = "compile")]
pub mod subject;

/// Answers a text: with the statement of a `Query`, the guarded form of a statement, or, without either feature, with
/// the number of its fields, so that JSON is counted in none of the differences.
#[cfg_attr(target_family = "wasm", wasm_bindgen::prelude::wasm_bindgen)]
pub fn answer(text: &str) -> String {
    #[cfg(feature = "guard")]
    if text.starts_with("SELECT") {
        return subject::Subject::new()
            .and_then(|subject| subject.guard(text))
            .unwrap_or_else(|error| error);
    }
    #[cfg(feature = "compile")]
    return subject::Subject::new()
        .and_then(|subject| subject.compile(text))
        .unwrap_or_else(|error| error);
    #[cfg(not(feature = "compile"))]
    serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|value| Some(value.as_object()?.len()))
        .unwrap_or_default()
        .to_string()
}
