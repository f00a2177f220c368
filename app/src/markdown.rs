//! What a model writes, as views. Its text is data: HTML in it is shown as text, images are their description, and a
//! link leads only to http or https. Half of a text, as it comes in, is as good as the whole.

use leptos::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

/// Quotes and lists nest no deeper than this; what lies deeper is shown without its frame.
const DEPTH_MAX: usize = 12;

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Text(String),
    Code(String),
    Break,
    Rule,
    Element(Element, Vec<Node>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// Only its children.
    Group,
    Paragraph,
    Heading,
    /// With the first number, if it is a numbered list.
    List(Option<u64>),
    Item,
    CodeBlock,
    Quote,
    Strong,
    Emphasis,
    Link(String),
    Table,
    Head,
    Row,
    Cell,
}

/// Reads Markdown; anything is valid.
pub fn parse(text: &str) -> Vec<Node> {
    let mut stack: Vec<(Element, Vec<Node>)> = Vec::new();
    let mut top: Vec<Node> = Vec::new();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        let node = match event {
            Event::Start(tag) => {
                stack.push((element(tag), Vec::new()));
                continue;
            }
            Event::End(_) => {
                let Some((element, children)) = stack.pop() else {
                    continue;
                };
                let element = if stack.len() >= DEPTH_MAX {
                    Element::Group
                } else {
                    element
                };
                let parent = stack.last_mut().map_or(&mut top, |(_, nodes)| nodes);
                match element {
                    Element::Group => parent.extend(children),
                    element => parent.push(Node::Element(element, children)),
                }
                continue;
            }
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => Node::Text(text.into_string()),
            Event::Code(text) => Node::Code(text.into_string()),
            Event::SoftBreak => Node::Text(" ".to_owned()),
            Event::HardBreak => Node::Break,
            Event::Rule => Node::Rule,
            _ => continue,
        };
        stack.last_mut().map_or(&mut top, |(_, nodes)| nodes).push(node);
    }
    top
}

fn element(tag: Tag) -> Element {
    match tag {
        Tag::Paragraph => Element::Paragraph,
        Tag::Heading { .. } => Element::Heading,
        Tag::BlockQuote(_) => Element::Quote,
        Tag::CodeBlock(_) => Element::CodeBlock,
        Tag::List(first) => Element::List(first),
        Tag::Item => Element::Item,
        Tag::Emphasis => Element::Emphasis,
        Tag::Strong => Element::Strong,
        Tag::Link { dest_url, .. } if is_web(&dest_url) => Element::Link(dest_url.into_string()),
        Tag::Table(_) => Element::Table,
        Tag::TableHead => Element::Head,
        Tag::TableRow => Element::Row,
        Tag::TableCell => Element::Cell,
        _ => Element::Group,
    }
}

fn is_web(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

/// The text as views, the first paragraph set as the sentence that matters.
#[component]
pub fn Markdown(#[prop(into)] text: Signal<String>) -> impl IntoView {
    move || views(&parse(&text.read()), true)
}

fn views(nodes: &[Node], lead: bool) -> AnyView {
    nodes
        .iter()
        .enumerate()
        .map(|(index, node)| view(node, lead && index == 0))
        .collect_view()
        .into_any()
}

fn view(node: &Node, lead: bool) -> AnyView {
    let (element, children) = match node {
        Node::Text(text) => return text.clone().into_any(),
        Node::Code(text) => return view! { <code>{text.clone()}</code> }.into_any(),
        Node::Break => return view! { <br /> }.into_any(),
        Node::Rule => return view! { <hr /> }.into_any(),
        Node::Element(element, children) => (element, views(children, false)),
    };
    match element {
        Element::Group => children,
        Element::Paragraph => view! { <p class:lead=lead>{children}</p> }.into_any(),
        Element::Heading => view! { <p class="subhead">{children}</p> }.into_any(),
        Element::List(None) => view! { <ul>{children}</ul> }.into_any(),
        Element::List(Some(first)) => view! { <ol start=first.to_string()>{children}</ol> }.into_any(),
        Element::Item => view! { <li>{children}</li> }.into_any(),
        Element::CodeBlock => view! { <pre tabindex="0"><code>{children}</code></pre> }.into_any(),
        Element::Quote => view! { <blockquote>{children}</blockquote> }.into_any(),
        Element::Strong => view! { <strong>{children}</strong> }.into_any(),
        Element::Emphasis => view! { <em>{children}</em> }.into_any(),
        Element::Link(href) => {
            view! { <a href=href.clone() target="_blank" rel="noopener noreferrer nofollow">{children}</a> }.into_any()
        }
        Element::Table => view! { <div class="scroll" tabindex="0"><table>{children}</table></div> }.into_any(),
        Element::Head => view! { <thead><tr>{children}</tr></thead> }.into_any(),
        Element::Row => view! { <tr>{children}</tr> }.into_any(),
        Element::Cell => view! { <td>{children}</td> }.into_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node::Text(text.into())
    }

    fn paragraph(children: Vec<Node>) -> Node {
        Node::Element(Element::Paragraph, children)
    }

    #[test]
    fn html_is_text() {
        let nodes = parse("a <img src=x onerror=alert(1)> b\n\n<script>alert(1)</script>\n");
        let shown = format!("{nodes:?}");
        assert!(shown.contains("Text(\"<img src=x onerror=alert(1)>\")"), "{shown}");
        assert!(shown.contains("<script>alert(1)</script>"), "{shown}");
    }

    #[test]
    fn only_web_links_are_links() {
        for url in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "/api/chat",
            "vbscript:x",
            "JavaScript:x",
        ] {
            assert_eq!(parse(&format!("[go]({url})")), [paragraph(vec![text("go")])], "{url}");
        }
        let link = Node::Element(Element::Link("HTTPS://a.example/b".into()), vec![text("go")]);
        assert_eq!(parse("[go](HTTPS://a.example/b)"), [paragraph(vec![link])]);
        assert_eq!(
            parse("![a chart](https://a.example/x.png)"),
            [paragraph(vec![text("a chart")])]
        );
    }

    #[test]
    fn bold_lists_and_code_are_kept() {
        let strong = Node::Element(Element::Strong, vec![text("Fugazi")]);
        assert_eq!(
            parse("**Fugazi** `x`\n\n2. one"),
            [
                paragraph(vec![strong, text(" "), Node::Code("x".into())]),
                Node::Element(
                    Element::List(Some(2)),
                    vec![Node::Element(Element::Item, vec![text("one")])]
                ),
            ]
        );
    }

    #[test]
    fn half_a_text_and_a_deep_one_are_fine() {
        let whole = "**bold** [a](https://b.example) | x |\n|---|\n`code";
        for end in (0..=whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            parse(&whole[..end]);
        }
        fn depth(nodes: &[Node]) -> usize {
            let below = |node: &Node| {
                if let Node::Element(_, children) = node {
                    1 + depth(children)
                } else {
                    0
                }
            };
            nodes.iter().map(below).max().unwrap_or(0)
        }
        assert!(depth(&parse(&format!("{} x", "> ".repeat(5000)))) <= DEPTH_MAX);
    }
}
