//! Markdown (CommonMark with GitHub's tables, task lists and footnotes) to running text with headings.
//!
//! The tree is comrak's. Markup is dropped, code is kept as it stands, embedded HTML goes through the HTML reader,
//! so that a script in a Markdown file is no more text than a script in a page.

use comrak::nodes::NodeValue;
use comrak::{Arena, Node, Options, arena_tree::NodeEdge};

use super::{Flow, Meter, flow::Writer, html};
use crate::refusal::Refusal;

/// The text, its headings, and the title: of the front matter, or the first heading of the highest level.
///
/// # Errors
/// `too_complex` when the parser needs longer than the budget, or the text is too long.
pub fn read(source: &str, meter: &Meter) -> Result<(Option<String>, Flow), Refusal> {
    let arena = Arena::new();
    let root = comrak::try_parse_document(&arena, source, &options(), &|| meter.is_late())
        .map_err(|_| Refusal::TooComplex("it takes too long"))?;
    let mut writer = Writer::new(meter);
    let mut title = None;
    for edge in root.traverse() {
        match edge {
            NodeEdge::Start(node) => open(node, &mut writer, &mut title, meter)?,
            NodeEdge::End(node) => close(node, &mut writer)?,
        }
    }
    let flow = writer.finish();
    let top = flow.headings.iter().find(|heading| heading.level == 1).map(|heading| heading.title.clone());
    Ok((title.or(top), flow))
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.math_dollars = true;
    options.extension.front_matter_delimiter = Some("---".into());
    options
}

fn open(node: Node<'_>, writer: &mut Writer, title: &mut Option<String>, meter: &Meter) -> Result<(), Refusal> {
    match &node.data.borrow().value {
        NodeValue::FrontMatter(yaml) => *title = front_matter_title(yaml),
        NodeValue::Heading(heading) => writer.begin_heading(heading.level),
        NodeValue::Text(text) => writer.inline(text)?,
        NodeValue::Code(code) => writer.inline(&code.literal)?,
        NodeValue::Math(math) => writer.inline(&math.literal)?,
        NodeValue::SoftBreak => writer.inline(" ")?,
        NodeValue::LineBreak => writer.line(),
        NodeValue::CodeBlock(block) => {
            writer.block();
            writer.verbatim(&block.literal)?;
            writer.block();
        }
        NodeValue::HtmlBlock(block) => {
            writer.block();
            html::write_fragment(&block.literal, writer, meter)?;
            writer.block();
        }
        NodeValue::HtmlInline(tag) if tag.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("<br")) => writer.line(),
        NodeValue::Item(_) | NodeValue::TaskItem(_) => {
            writer.line();
            writer.inline("- ")?;
        }
        NodeValue::TableRow(_) => writer.line(),
        NodeValue::TableCell if node.previous_sibling().is_none() => {}
        NodeValue::TableCell => writer.inline(" | ")?,
        value if value.block() && !in_tight_item(node) => writer.block(),
        _ => {}
    }
    Ok(())
}

fn close(node: Node<'_>, writer: &mut Writer) -> Result<(), Refusal> {
    match &node.data.borrow().value {
        NodeValue::Heading(_) => writer.end_heading()?,
        NodeValue::Item(_) | NodeValue::TaskItem(_) | NodeValue::TableRow(_) => writer.line(),
        NodeValue::TableCell => {}
        value if value.block() && !in_tight_item(node) => writer.block(),
        _ => {}
    }
    Ok(())
}

/// A list reads as lines, not as paragraphs, and its first paragraph stands beside the bullet.
fn in_tight_item(node: Node<'_>) -> bool {
    let is_list = matches!(node.data.borrow().value, NodeValue::Paragraph | NodeValue::List(_));
    is_list
        && node.parent().is_some_and(|parent| matches!(parent.data.borrow().value, NodeValue::Item(_) | NodeValue::TaskItem(_)))
        && node.previous_sibling().is_none()
}

/// `title: …` of YAML front matter, without reading any other YAML.
fn front_matter_title(yaml: &str) -> Option<String> {
    let value = yaml.lines().find_map(|line| line.strip_prefix("title:"))?.trim();
    let value = value.trim_matches(['"', '\'']).trim();
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Budget;

    fn markdown(source: &str) -> (Option<String>, Flow) {
        read(source, &Meter::unhurried()).unwrap()
    }

    #[test]
    fn text_keeps_its_words_and_loses_its_markup() {
        let (title, flow) = markdown(
            "# Sorting *fast*\n\nA [link](http://x) and `code`.\nNext line.\n\n- one\n- two\n\n\
             | a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn main() {\n    ok()\n}\n```\n",
        );
        assert_eq!(title.as_deref(), Some("Sorting fast"));
        assert_eq!(flow.text, "Sorting fast\n\nA link and code. Next line.\n\n- one\n- two\n\na | b\n1 | 2\n\nfn main() {\n    ok()\n}");
        assert_eq!(flow.headings.len(), 1);
    }

    #[test]
    fn embedded_scripts_are_not_text() {
        let (_, flow) = markdown("before\n\n<div>kept<script>alert('no')</script></div>\n\nafter");
        assert_eq!(flow.text, "before\n\nkept\n\nafter");
    }

    #[test]
    fn front_matter_names_the_document() {
        let (title, flow) = markdown("---\ntitle: \"Week 3\"\nauthor: x\n---\n\n# Heaps\n\ntext");
        assert_eq!(title.as_deref(), Some("Week 3"));
        assert_eq!(flow.text, "Heaps\n\ntext");
    }

    #[test]
    fn a_megabyte_of_nesting_ends() {
        for unit in [">", "- ", "[", "*a ", "![", "<div>", "**", "`"] {
            let source = unit.repeat((1 << 20) / unit.len());
            let _ = read(&source, &Meter::start(Budget::default(), 5.0));
        }
    }
}
