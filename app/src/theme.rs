//! Light, dark, or as the system has it. `public/theme.js` makes the same choice before the first paint.

use crate::browser;
use leptos::prelude::*;

const KEY: &str = "concert-theme";
const DARK: &str = "(prefers-color-scheme: dark)";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
    #[default]
    System,
}

impl Theme {
    pub const ALL: [Theme; 3] = [Theme::Light, Theme::Dark, Theme::System];

    pub fn name(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
            Theme::System => "system",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Theme::Light => "Light",
            Theme::Dark => "Dark",
            Theme::System => "System",
        }
    }

    fn parse(name: &str) -> Option<Theme> {
        Theme::ALL.into_iter().find(|theme| theme.name() == name)
    }

    /// The address's `?theme=`, else what was chosen before, else the system's.
    pub fn wanted() -> Theme {
        let named = |name: Option<String>| name.as_deref().and_then(Theme::parse);
        named(browser::asked("theme"))
            .or_else(|| named(browser::stored(KEY)))
            .unwrap_or_default()
    }

    pub fn is_dark(self) -> bool {
        self == Theme::Dark || (self == Theme::System && browser::prefers(DARK))
    }

    /// Puts the theme on the page; the colours follow from `style/tokens.css`.
    pub fn show(self) {
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", if self.is_dark() { "dark" } else { "light" });
        }
    }

    pub fn choose(self) {
        browser::store(KEY, self.name());
    }
}

/// Calls `changed` whenever the system turns light or dark.
pub fn on_system_change(changed: impl Fn() + 'static) {
    use wasm_bindgen::{JsCast, closure::Closure};
    let Ok(Some(list)) = window().match_media(DARK) else {
        return;
    };
    let closure = Closure::<dyn Fn()>::new(changed);
    let _ = list.add_event_listener_with_callback("change", closure.as_ref().unchecked_ref());
    // The page listens for as long as it is open.
    closure.forget();
}
