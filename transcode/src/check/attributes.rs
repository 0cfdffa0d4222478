//! Attribute lists (RFC 8216 4.2), read strictly. Pure.

use std::collections::BTreeMap;

/// The attributes of one tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, Value>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Quoted(String),
    Plain(String),
}

/// What a value may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Quoted,
    Decimal,
    Float,
    Hex,
    Resolution,
    Word,
    QuotedOrWord,
}

fn shape(name: &str) -> Option<Shape> {
    Some(match name {
        "CODECS"
        | "SUPPLEMENTAL-CODECS"
        | "AUDIO"
        | "VIDEO"
        | "SUBTITLES"
        | "URI"
        | "GROUP-ID"
        | "LANGUAGE"
        | "ASSOC-LANGUAGE"
        | "NAME"
        | "INSTREAM-ID"
        | "CHARACTERISTICS"
        | "CHANNELS"
        | "KEYFORMAT"
        | "KEYFORMATVERSIONS"
        | "BYTERANGE"
        | "DATA-ID"
        | "VALUE"
        | "STABLE-VARIANT-ID"
        | "STABLE-RENDITION-ID"
        | "PATHWAY-ID" => Shape::Quoted,
        "BANDWIDTH" | "AVERAGE-BANDWIDTH" | "PROGRAM-ID" => Shape::Decimal,
        "FRAME-RATE" | "SCORE" => Shape::Float,
        "IV" => Shape::Hex,
        "RESOLUTION" => Shape::Resolution,
        "TYPE" | "METHOD" | "HDCP-LEVEL" | "VIDEO-RANGE" | "DEFAULT" | "AUTOSELECT" | "FORCED" => Shape::Word,
        "CLOSED-CAPTIONS" => Shape::QuotedOrWord,
        _ => return None,
    })
}

impl Attributes {
    /// Reads a list; what is wrong with it is told to `complain`.
    pub fn parse(text: &str, complain: &mut dyn FnMut(String)) -> Self {
        let mut list = BTreeMap::new();
        let mut rest = text;
        while !rest.is_empty() {
            let Some((name, after)) = rest.split_once('=') else {
                complain(format!("{rest:?} is no NAME=value"));
                break;
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-') {
                complain(format!("{name:?} is no attribute name"));
            }
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => match quoted.split_once('"') {
                    Some((inside, after)) => (Value::Quoted(inside.to_owned()), after),
                    None => {
                        complain(format!("the quotes of {name} are not closed"));
                        (Value::Quoted(quoted.to_owned()), "")
                    }
                },
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    (Value::Plain(after[..end].to_owned()), &after[end..])
                }
            };
            if let Some(shape) = shape(name).filter(|shape| !shape.fits(&value)) {
                complain(format!("{name}={} is no {}", value.text(), shape.word()));
            }
            if list.insert(name.to_owned(), value).is_some() {
                complain(format!("{name} is there twice"));
            }
            rest = match after.strip_prefix(',') {
                Some("") => {
                    complain("the list ends in a comma".into());
                    ""
                }
                Some(after) => after,
                None => {
                    if !after.is_empty() {
                        complain(format!("{after:?} follows the value of {name}"));
                    }
                    ""
                }
            };
        }
        Self(list)
    }

    /// The value without its quotes.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Value::text)
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A number with a fraction.
    pub fn float(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    /// Width and height.
    pub fn size(&self, name: &str) -> Option<(u32, u32)> {
        size(self.text(name)?)
    }

    /// `YES`.
    pub fn yes(&self, name: &str) -> bool {
        self.text(name) == Some("YES")
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Quoted(text) | Self::Plain(text) => text,
        }
    }
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Quoted | Self::QuotedOrWord, Value::Quoted(_)) => true,
            (Self::Quoted, Value::Plain(_)) | (_, Value::Quoted(_)) => false,
            (Self::Decimal, Value::Plain(text)) => digits(text) && text.parse::<u64>().is_ok(),
            (Self::Float, Value::Plain(text)) => decimal(text).is_some(),
            (Self::Hex, Value::Plain(text)) => {
                let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
                digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            }
            (Self::Resolution, Value::Plain(text)) => size(text).is_some(),
            (Self::Word | Self::QuotedOrWord, Value::Plain(text)) => !text.is_empty() && !text.contains([' ', '"', '\t']),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Quoted => "quoted string",
            Self::Decimal => "whole number",
            Self::Float => "decimal number",
            Self::Hex => "hexadecimal number",
            Self::Resolution => "resolution",
            Self::Word => "bare word",
            Self::QuotedOrWord => "quoted string or bare word",
        }
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit())
}

fn size(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    (digits(width) && digits(height)).then_some(())?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// A decimal number as playlists write it: digits, and a fraction perhaps.
pub fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    (digits(whole) && !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Attributes, Vec<String>) {
        let mut complaints = vec![];
        let list = Attributes::parse(text, &mut |what| complaints.push(what));
        (list, complaints)
    }

    #[test]
    fn a_list_of_every_shape_is_read() {
        let (list, complaints) =
            read("BANDWIDTH=128,CODECS=\"avc1.64001F,mp4a.40.2\",RESOLUTION=16x9,FRAME-RATE=29.970,TYPE=AUDIO,DEFAULT=YES,X-OWN=1");
        assert_eq!(complaints, Vec::<String>::new());
        assert_eq!((list.number("BANDWIDTH"), list.size("RESOLUTION"), list.float("FRAME-RATE")), (Some(128), Some((16, 9)), Some(29.97)));
        assert_eq!((list.text("CODECS"), list.yes("DEFAULT"), list.has("X-OWN")), (Some("avc1.64001F,mp4a.40.2"), true, true));
    }

    #[test]
    fn each_fault_is_named() {
        let fault = |text| read(text).1.join("; ");
        assert_eq!(fault("BANDWIDTH=\"1\""), "BANDWIDTH=1 is no whole number");
        assert_eq!(fault("CODECS=avc1"), "CODECS=avc1 is no quoted string");
        assert_eq!(fault("NAME=\"a"), "the quotes of NAME are not closed");
        assert_eq!(fault("NAME=\"a\",NAME=\"b\""), "NAME is there twice");
        assert_eq!(fault("NAME=\"a\","), "the list ends in a comma");
        assert_eq!(fault("NAME=\"a\"b"), "\"b\" follows the value of NAME");
        assert_eq!(fault("name=1"), "\"name\" is no attribute name");
        assert_eq!(fault("RESOLUTION=12"), "RESOLUTION=12 is no resolution");
        assert_eq!(fault("IV=12"), "IV=12 is no hexadecimal number");
        assert_eq!(fault("FRAME-RATE=1e3"), "FRAME-RATE=1e3 is no decimal number");
        assert_eq!(fault("BANDWIDTH"), "\"BANDWIDTH\" is no NAME=value");
        assert_eq!(fault(" BANDWIDTH=1"), "\" BANDWIDTH\" is no attribute name");
    }
}
