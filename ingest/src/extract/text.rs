//! Plain text: paragraphs as they stand. Headings are not guessed at.

use super::{Flow, Meter, flow::Writer};
use crate::refusal::Refusal;

/// The text with its line ends, trailing spaces and runs of empty lines removed.
pub fn read(source: &str, meter: &Meter) -> Result<(Option<String>, Flow), Refusal> {
    let mut writer = Writer::new(meter);
    // A form feed ends a page of a printed text, which is a paragraph's end at least.
    for line in source.split(['\n', '\u{c}']) {
        if line.trim().is_empty() {
            writer.block();
        } else {
            writer.line();
            writer.verbatim(line)?;
        }
    }
    Ok((None, writer.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_and_indentation_survive() {
        let source = "First line  \nsecond line\n\n\n\n  indented\u{c}next page\n";
        let (title, flow) = read(source, &Meter::unhurried()).unwrap();
        assert_eq!(title, None);
        assert_eq!(flow.text, "First line\nsecond line\n\n  indented\nnext page");
        assert!(flow.headings.is_empty());
    }
}
