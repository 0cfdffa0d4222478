//! HTML pages to running text with headings. Nothing is executed, fetched or believed.
//!
//! Parsing is html5ever's, fed in small pieces under a cap of depth and of nodes: its work per tag grows with the
//! depth, so that one megabyte of nested tags would keep it busy for hours. The walk over the tree is a loop and
//! not a recursion. Scripts, styles, navigation and what a browser would hide are left out.

use ego_tree::{NodeRef, iter::Edge};
use html5ever::{driver, tendril::TendrilSink};
use scraper::{Html, HtmlTreeSink, Node, node::Element};

use super::{Flow, Meter, flow::Writer};
use crate::refusal::Refusal;

/// Browsers stop nesting at 512; no page written by hand comes near it.
const MAX_DEPTH: usize = 512;
const MAX_NODES: usize = 2_000_000;
/// Bytes handed to the parser between two looks at the caps.
const PIECE: usize = 4 * 1024;
/// A `<main>` shorter than this is a stub, and the page's text is elsewhere.
const MAIN_CHARS: usize = 200;

/// The visible text, its headings, and the title: `<title>`, or the first `<h1>`.
///
/// # Errors
/// `too_complex` beyond the caps of depth, nodes, text or time.
pub fn read(source: &str, meter: &Meter) -> Result<(Option<String>, Flow), Refusal> {
    let page = parse(source, meter)?;
    let root = page.tree.root();
    let mut writer = Writer::new(meter);
    write(main_of(root).unwrap_or(root), &mut writer)?;
    let flow = writer.finish();
    let first_heading = flow.headings.iter().find(|heading| heading.level == 1).map(|heading| heading.title.clone());
    Ok((title_of(root).or(first_heading), flow))
}

/// Writes the visible text of a piece of HTML, for formats that embed HTML.
pub fn write_fragment(source: &str, writer: &mut Writer, meter: &Meter) -> Result<(), Refusal> {
    write(parse(source, meter)?.tree.root(), writer)
}

fn parse(source: &str, meter: &Meter) -> Result<Html, Refusal> {
    let mut parser = driver::parse_document(HtmlTreeSink::new(Html::new_document()), Default::default());
    let mut rest = source;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(piece.into());
        rest = tail;
        meter.check_time()?;
        let page = parser.tokenizer.sink.sink.0.borrow();
        let mut nodes = page.tree.nodes();
        if nodes.len() > MAX_NODES {
            return Err(Refusal::TooComplex("it has too many elements"));
        }
        if nodes.next_back().is_some_and(|last| last.ancestors().count() > MAX_DEPTH) {
            return Err(Refusal::TooComplex("its elements are nested too deeply"));
        }
    }
    Ok(parser.finish())
}

fn write(root: NodeRef<'_, Node>, writer: &mut Writer) -> Result<(), Refusal> {
    let mut edges = root.traverse();
    // Depth of the element whose whole content is left out, and of the one whose spaces count.
    let mut preformatted = 0usize;
    while let Some(edge) = edges.next() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Text(text) if preformatted > 0 => writer.verbatim(text)?,
                Node::Text(text) => writer.inline(text)?,
                Node::Element(element) if is_hidden(element) => {
                    // Run ahead to where this element closes.
                    edges.by_ref().find(|edge| matches!(edge, Edge::Close(closed) if closed.id() == node.id()));
                }
                Node::Element(element) => {
                    open(node, element, writer)?;
                    preformatted += usize::from(element.name() == "pre");
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    close(element, writer)?;
                    preformatted -= usize::from(element.name() == "pre");
                }
            }
        }
    }
    Ok(())
}

fn open(node: NodeRef<'_, Node>, element: &Element, writer: &mut Writer) -> Result<(), Refusal> {
    match element.name() {
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => writer.begin_heading(element.name().as_bytes()[1] - b'0'),
        "br" => writer.line(),
        "li" => {
            writer.line();
            writer.inline("- ")?;
        }
        "tr" | "dt" | "dd" => writer.line(),
        "td" | "th" if node.prev_siblings().any(|sibling| sibling.value().is_element()) => writer.inline(" | ")?,
        "img" => {
            if let Some(text) = element.attr("alt") {
                writer.inline(" ")?;
                writer.inline(text)?;
                writer.inline(" ")?;
            }
        }
        // A formula is written once, not once per notation.
        "math" if element.attr("alttext").is_some() => writer.inline(element.attr("alttext").unwrap_or_default())?,
        name if is_block(name) => writer.block(),
        _ => {}
    }
    Ok(())
}

fn close(element: &Element, writer: &mut Writer) -> Result<(), Refusal> {
    match element.name() {
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => writer.end_heading()?,
        "li" | "tr" | "dt" | "dd" => writer.line(),
        name if is_block(name) => writer.block(),
        _ => {}
    }
    Ok(())
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "caption"
            | "center"
            | "details"
            | "dialog"
            | "div"
            | "dl"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "header"
            | "hr"
            | "main"
            | "ol"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "tfoot"
            | "thead"
            | "ul"
    )
}

fn is_hidden(element: &Element) -> bool {
    let by_name = matches!(
        element.name(),
        "script"
            | "style"
            | "head"
            | "template"
            | "noscript"
            | "nav"
            | "svg"
            | "iframe"
            | "object"
            | "embed"
            | "canvas"
            | "audio"
            | "video"
            | "map"
            | "select"
            | "datalist"
            | "textarea"
            | "rt"
            | "rp"
            | "annotation"
            | "annotation-xml"
    );
    let style = || element.attr("style").unwrap_or_default().to_ascii_lowercase().replace(char::is_whitespace, "");
    by_name
        || element.attr("hidden").is_some()
        || element.attr("aria-hidden").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || element.attr("role").is_some_and(|role| role.eq_ignore_ascii_case("navigation"))
        || element.attr("style").is_some() && ["display:none", "visibility:hidden"].iter().any(|hidden| style().contains(hidden))
}

/// The one `<main>` of the page, when it holds the text.
fn main_of(root: NodeRef<'_, Node>) -> Option<NodeRef<'_, Node>> {
    let is_main = |element: &Element| element.name() == "main" || element.attr("role") == Some("main");
    let mut mains = root.descendants().filter(|node| node.value().as_element().is_some_and(is_main));
    let main = mains.next()?;
    if mains.any(|other| !other.ancestors().any(|ancestor| ancestor.id() == main.id())) {
        return None;
    }
    let chars: usize = main.descendants().filter_map(|node| node.value().as_text()).map(|text| text.trim().len()).sum();
    (chars >= MAIN_CHARS).then_some(main)
}

fn title_of(root: NodeRef<'_, Node>) -> Option<String> {
    let is_title = |node: &NodeRef<'_, Node>| {
        let in_picture = || node.ancestors().any(|above| above.value().as_element().is_some_and(|e| e.name() == "svg"));
        node.value().as_element().is_some_and(|element| element.name() == "title") && !in_picture()
    };
    let title = root.descendants().find(is_title)?;
    let text: String = title.children().filter_map(|node| node.value().as_text()).map(|text| &text[..]).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Budget;

    fn html(source: &str) -> Result<(Option<String>, Flow), Refusal> {
        read(source, &Meter::unhurried())
    }

    #[test]
    fn visible_text_comes_out_with_headings_and_title() {
        let (title, flow) = html(
            "<!doctype html><html><head><title> My  page </title><style>p{}</style></head><body>\
             <nav>Home | About</nav><h1 id=top>One</h1><p>First <b>para</b>graph.<br>New line</p>\
             <ul><li>a<li>b</ul><table><tr><th>x<th>y<tr><td>1<td>2</table><pre>  keep\n   this</pre>\
             <script>alert('no')</script><p hidden>no</p><p style='Display : none'>no</p><img alt='a cat'></body>",
        )
        .unwrap();
        assert_eq!(title.as_deref(), Some("My page"));
        assert_eq!(flow.text, "One\n\nFirst paragraph.\nNew line\n\n- a\n- b\n\nx | y\n1 | 2\n\n  keep\n   this\n\na cat");
        assert_eq!(flow.headings[0].title, "One");
    }

    #[test]
    fn main_is_preferred_when_it_holds_the_text() {
        let long = "word ".repeat(60);
        let (_, flow) = html(&format!("<body><div>sidebar</div><main><p>{long}</p></main>")).unwrap();
        assert!(!flow.text.contains("sidebar"));
        let (_, flow) = html("<body><div>the text</div><main></main>").unwrap();
        assert_eq!(flow.text, "the text");
    }

    #[test]
    fn a_megabyte_of_nested_tags_is_refused_quickly() {
        for unit in ["<div>", "<table><tr><td>", "<ul><li>", "<svg><g>", "<a href=x><div>", "<font color=red><div>"] {
            let source = unit.repeat((1 << 20) / unit.len());
            let result = read(&source, &Meter::start(Budget::default(), 8.0));
            assert_eq!(result.unwrap_err(), Refusal::TooComplex("its elements are nested too deeply"), "{unit}");
        }
    }

    #[test]
    fn formatting_that_is_opened_anew_in_every_paragraph_ends() {
        let opened: String = (0..400).map(|n| format!("<b n={n}>")).collect();
        let source = format!("<p>{opened}") + &"<p>x".repeat(200_000);
        let result = read(&source, &Meter::start(Budget::default(), 8.0));
        assert_eq!(result.unwrap_err().code(), "too_complex");
    }

    #[test]
    fn a_long_flat_page_is_read() {
        let source = "<p>paragraph of text".repeat(20_000);
        assert_eq!(html(&source).unwrap().1.text.matches("paragraph").count(), 20_000);
    }

    #[test]
    fn broken_markup_still_gives_text() {
        assert_eq!(html("<p>a<b>b</p>c</i><td>d").unwrap().1.text, "ab\n\ncd");
    }
}
