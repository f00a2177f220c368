//! The few things that the page asks of the browser, each with its failure as a value.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::HtmlElement;

/// What is kept under `key`; none where storage is switched off.
pub fn stored(key: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(key).ok()?
}

/// Keeps `value`. Where storage is switched off the choice lasts as long as the page, which needs no words.
pub fn store(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(key, value);
    }
}

/// The value of `name` in the address, decoded.
pub fn asked(name: &str) -> Option<String> {
    let search = window().location().search().ok()?;
    web_sys::UrlSearchParams::new_with_str(&search).ok()?.get(name)
}

/// Puts `text` on the clipboard; false where the browser does not allow it (not over https, or refused).
pub async fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    // Over plain http `navigator.clipboard` is undefined, and calling it would throw.
    if js_sys::Reflect::get(&navigator, &"clipboard".into()).map_or(true, |clipboard| clipboard.is_undefined()) {
        return false;
    }
    JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
}

/// Saves `text` as a file named `name`.
///
/// # Errors
/// What the browser threw.
pub fn save(name: &str, media_type: &str, text: &str) -> Result<(), JsValue> {
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(media_type);
    let blob = web_sys::Blob::new_with_str_sequence_and_options(&js_sys::Array::of1(&text.into()), &options)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let anchor: web_sys::HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    anchor.set_href(&url);
    anchor.set_download(name);
    anchor.click();
    web_sys::Url::revoke_object_url(&url)
}

/// 128 random bits in hexadecimal. `crypto.randomUUID` is missing over plain http, `getRandomValues` is not.
pub fn random_id() -> String {
    let mut bytes = [0u8; 16];
    if let Ok(crypto) = window().crypto() {
        let _ = crypto.get_random_values_with_u8_array(&mut bytes);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn focus(selector: &str) {
    if let Ok(Some(element)) = document().query_selector(selector)
        && let Ok(element) = element.dyn_into::<HtmlElement>()
    {
        // Where it is, is where it is seen: nothing moves.
        let options = web_sys::FocusOptions::new();
        options.set_prevent_scroll(true);
        let _ = element.focus_with_options(&options);
    }
}

/// After a question was sent: ready for the next one, but on a touch screen without a keyboard over the answer.
pub fn focus_composer_or_rest() {
    if prefers("(pointer: coarse)") {
        if let Some(active) = document()
            .active_element()
            .and_then(|active| active.dyn_into::<HtmlElement>().ok())
        {
            let _ = active.blur();
        }
    } else {
        focus("#question");
    }
}

/// The value of a design token (`--ink`) as it is now, in the theme that is on.
pub fn token(name: &str) -> String {
    document()
        .document_element()
        .and_then(|root| window().get_computed_style(&root).ok().flatten())
        .and_then(|style| style.get_property_value(name).ok())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

pub fn prefers(query: &str) -> bool {
    window()
        .match_media(query)
        .ok()
        .flatten()
        .is_some_and(|list| list.matches())
}

pub fn now_ms() -> f64 {
    js_sys::Date::now()
}
