//! Line icons on a grid of 20, in the colour of the text around them.

use leptos::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Ask,
    Overview,
    Venues,
    Artists,
    Forecast,
    Recommend,
    Explore,
    More,
    Plus,
    Up,
    Stop,
    Check,
    Sun,
    Moon,
    Screen,
    Close,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Icon::Ask => "M4 5h12v8H9l-3 3v-3H4z",
            Icon::Overview => "M4 15V9m4 6V5m4 10v-4m4 4V7",
            Icon::Venues => {
                "M10 17s5-4.6 5-8.5A5 5 0 0 0 5 8.5C5 12.4 10 17 10 17zM10 6.9a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2z"
            }
            Icon::Artists => "M10 3a2 2 0 0 1 2 2v4a2 2 0 0 1-4 0V5a2 2 0 0 1 2-2zM5 9a5 5 0 0 0 10 0M10 14v3",
            Icon::Forecast => "M3 14l4-4 3 2 3-5M14 6l1-.7M17 4l-.8.5",
            Icon::Recommend => "M10 16s-6-3.6-6-8a3.2 3.2 0 0 1 6-1.6A3.2 3.2 0 0 1 16 8c0 4.4-6 8-6 8z",
            Icon::Explore => "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM13 13l4 4",
            Icon::More => "M5 9.5v1M10 9.5v1M15 9.5v1M4.5 10h1M9.5 10h1M14.5 10h1",
            Icon::Plus => "M10 4v12M4 10h12",
            Icon::Up => "M10 16V4M5 9l5-5 5 5",
            Icon::Stop => "M6 6h8v8H6z",
            Icon::Check => "M4 10.5l4 4 8-9",
            Icon::Sun => {
                "M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.4 1.4M14.3 14.3l1.4 1.4M4.3 15.7l1.4-1.4M14.3 5.7l1.4-1.4"
            }
            Icon::Moon => "M16 12A6.5 6.5 0 0 1 8 4a6.5 6.5 0 1 0 8 8z",
            Icon::Screen => "M3 4h14v9H3zM7 17h6M10 13v4",
            Icon::Close => "M5 5l10 10M15 5L5 15",
        }
    }

    pub fn view(self, size: u32) -> impl IntoView {
        view! {
            <svg
                width=size
                height=size
                viewBox="0 0 20 20"
                fill="none"
                stroke="currentColor"
                stroke-width="1.6"
                stroke-linecap="round"
                stroke-linejoin="round"
                aria-hidden="true"
            >
                <path d=self.path() />
            </svg>
        }
    }
}

pub fn brand() -> impl IntoView {
    view! {
        <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
            <path d="M3 18 11 3l8 15z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" />
            <path d="M7.5 18 11 11l3.5 7z" fill="currentColor" />
        </svg>
    }
}
