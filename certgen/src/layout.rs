//! Where everything stands on the sheet: A4 across, one page.
//!
//! Pure: facts in, a list of things to draw out. Lengths are in points (1/72 inch), the origin is the lower left corner.

use time::Date;
use unicode_normalization::UnicodeNormalization;

use crate::fonts::{self, Face, Run};
use crate::lines::fit;
use crate::qr;
use kernel::id::CertificateId;

/// What a certificate says. It is kept as it was on the day of completion and never changes afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateFacts {
    pub learner_name: String,
    pub course_title: String,
    pub instructor_name: String,
    pub completed_on: Date,
    pub certificate_id: CertificateId,
    /// Address of the public page that tells whether the certificate is real.
    pub verify_url: String,
}

/// A4 across.
pub const WIDTH: f32 = 841.89;
pub const HEIGHT: f32 = 595.28;

/// The colours of the sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ink {
    /// Names and titles.
    Dark,
    /// Small print.
    Grey,
    /// Frame and brand.
    Teal,
    /// Hairlines.
    Gold,
}

/// One thing to draw.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Box {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
        line: f32,
    },
    Bar {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
    },
    /// One line of text; `x`, `y` is the left end of its baseline.
    Text {
        x: f32,
        y: f32,
        size: f32,
        ink: Ink,
        face: Face,
        runs: Vec<Run>,
    },
    Link {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        url: String,
    },
}

/// A finished sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    pub items: Vec<Item>,
    /// Characters that no bundled face draws; empty for most.
    pub missing: Vec<char>,
}

const CENTRE: f32 = WIDTH / 2.0;
const TEXT_WIDTH: f32 = 610.0;
const QR_SIDE: f32 = 86.0;

/// Lays out a certificate.
///
/// Fails when the verify address is too long for a QR code (2,331 bytes).
pub fn sheet(facts: &CertificateFacts) -> Result<Sheet, qrcode::types::QrError> {
    let mut sheet = Sheet { items: Vec::new(), missing: Vec::new() };
    sheet.frame();
    sheet.text(CENTRE, 520.0, Align::Centre, 12.0, Face::Sans, Ink::Teal, "Learnhub");
    sheet.text(CENTRE, 466.0, Align::Centre, 38.0, Face::Serif, Ink::Teal, "Certificate of Completion");
    sheet.bar(CENTRE - 34.0, 446.0, 68.0, 1.4, Ink::Gold);
    sheet.body(facts);
    sheet.foot(facts)?;
    Ok(sheet)
}

enum Align {
    Left,
    Centre,
}

impl Sheet {
    fn frame(&mut self) {
        let mut frame = |inset: f32, ink, line| {
            self.items.push(Item::Box { x: inset, y: inset, width: WIDTH - 2.0 * inset, height: HEIGHT - 2.0 * inset, ink, line });
        };
        frame(26.0, Ink::Teal, 2.2);
        frame(32.0, Ink::Gold, 0.6);
    }

    /// Name and course, centred as a block between the title and the foot, however many lines they take.
    fn body(&mut self, facts: &CertificateFacts) {
        const TOP: f32 = 430.0;
        const BOTTOM: f32 = 186.0;
        let name = fit(&tidy(&facts.learner_name), Face::Serif, TEXT_WIDTH, 42.0, 16.0, 3);
        let course = fit(&tidy(&facts.course_title), Face::Serif, TEXT_WIDTH, 26.0, 13.0, 4);
        let (name_leading, course_leading) = (name.size * 1.18, course.size * 1.24);
        // Heights of: small line, gap, name, gap to its rule, rule to small line, gap, course.
        let height = 10.0 + 12.0 + name_leading * name.lines.len() as f32 + 12.0 + 30.0 + 10.0 + course_leading * course.lines.len() as f32;
        let mut y = (TOP + BOTTOM + height) / 2.0 - 10.0;
        self.text(CENTRE, y, Align::Centre, 12.0, Face::Sans, Ink::Grey, "This is to certify that");
        y -= 12.0;
        for line in &name.lines {
            y -= name_leading;
            self.text(CENTRE, y, Align::Centre, name.size, Face::Serif, Ink::Dark, line);
        }
        y -= 18.0;
        self.bar(CENTRE - 190.0, y, 380.0, 0.6, Ink::Gold);
        y -= 26.0;
        self.text(CENTRE, y, Align::Centre, 12.0, Face::Sans, Ink::Grey, "has completed the course");
        y -= 8.0;
        for line in &course.lines {
            y -= course_leading;
            self.text(CENTRE, y, Align::Centre, course.size, Face::Serif, Ink::Dark, line);
        }
    }

    /// Date, instructor, QR code, and how to verify.
    fn foot(&mut self, facts: &CertificateFacts) -> Result<(), qrcode::types::QrError> {
        const RULE: f32 = 112.0;
        let mut column = |x: f32, width: f32, text: &str, label: &str| {
            let fitted = fit(text, Face::Serif, width, 16.0, 8.5, 2);
            let mut y = RULE + 9.0 + fitted.size * 1.2 * (fitted.lines.len() - 1) as f32;
            for line in &fitted.lines {
                self.text(x, y, Align::Left, fitted.size, Face::Serif, Ink::Dark, line);
                y -= fitted.size * 1.2;
            }
            self.bar(x, RULE, width, 0.6, Ink::Gold);
            self.text(x, RULE - 14.0, Align::Left, 9.0, Face::Sans, Ink::Grey, label);
        };
        let date = facts.completed_on;
        column(64.0, 190.0, &format!("{} {} {}", date.day(), date.month(), date.year()), "Date of completion");
        column(296.0, 270.0, &tidy(&facts.instructor_name), "Instructor");

        let (x, y) = (WIDTH - 64.0 - QR_SIDE, 82.0);
        let code = qr::code(&facts.verify_url)?;
        let module = QR_SIDE / code.side as f32;
        for bar in code.bars {
            self.bar(
                x + bar.x as f32 * module,
                y + QR_SIDE - (bar.y + 1) as f32 * module,
                bar.width as f32 * module,
                module + 0.04, // a hair over, so that rows leave no seam on screen
                Ink::Dark,
            );
        }
        self.text(x + QR_SIDE / 2.0, y - 14.0, Align::Centre, 9.0, Face::Sans, Ink::Grey, "Scan to verify");
        self.link(x, y, QR_SIDE, QR_SIDE, &facts.verify_url);

        let mut y = 62.0;
        if !self.missing.is_empty() {
            let note = "Some characters of this certificate cannot be printed in its typeface. Its verify page shows them all.";
            self.text(64.0, y + 12.0, Align::Left, 8.0, Face::Sans, Ink::Grey, note);
        }
        self.text(64.0, y, Align::Left, 8.0, Face::Sans, Ink::Grey, &format!("Certificate {}", facts.certificate_id));
        y -= 12.0;
        let verify = format!("Verify at {}", facts.verify_url);
        let fitted = fit(&verify, Face::Sans, 590.0, 8.0, 5.0, 1);
        self.text(64.0, y, Align::Left, fitted.size, Face::Sans, Ink::Grey, &fitted.lines[0]);
        self.link(64.0, y - 2.0, fonts::width(&fitted.lines[0], Face::Sans, fitted.size), fitted.size + 2.0, &facts.verify_url);
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "one line per text on the sheet reads better than a struct for each")]
    fn text(&mut self, x: f32, y: f32, align: Align, size: f32, face: Face, ink: Ink, text: &str) {
        let runs = fonts::runs(text, face);
        for run in &runs {
            if let Run::Missing(text) = run {
                self.missing.extend(text.chars());
            }
        }
        let x = match align {
            Align::Left => x,
            Align::Centre => x - fonts::width(text, face, size) / 2.0,
        };
        self.items.push(Item::Text { x, y, size, ink, face, runs });
    }

    fn bar(&mut self, x: f32, y: f32, width: f32, height: f32, ink: Ink) {
        self.items.push(Item::Bar { x, y, width, height, ink });
    }

    fn link(&mut self, x: f32, y: f32, width: f32, height: f32, url: &str) {
        self.items.push(Item::Link { x, y, width, height, url: url.to_owned() });
    }
}

/// A text as it is set: normalisation form C, every run of white space one space, no invisible characters (they
/// could turn the reading order around).
pub fn tidy(text: &str) -> String {
    let invisible = |c: &char| {
        c.is_control() && !c.is_whitespace()
            || matches!(*c, '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    let visible: String = text.nfc().filter(|c| !invisible(c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use time::macros::date;

    pub(crate) fn facts(name: &str, course: &str) -> CertificateFacts {
        CertificateFacts {
            learner_name: name.into(),
            course_title: course.into(),
            instructor_name: "Dr. Grace Oyelaran".into(),
            completed_on: date!(2026 - 11 - 14),
            certificate_id: "0190b1c2-7a3f-7d55-9e21-5b1f0c3d9a10".parse().unwrap(),
            verify_url: "https://learn.example/verify/0190b1c2-7a3f-7d55-9e21-5b1f0c3d9a10".into(),
        }
    }

    fn texts(sheet: &Sheet) -> Vec<(f32, f32, f32, f32, String)> {
        sheet
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Text { x, y, size, face, runs, .. } => {
                    let text: String = runs
                        .iter()
                        .map(|run| match run {
                            Run::Drawn(_, text) | Run::Missing(text) => text.as_str(),
                        })
                        .collect();
                    Some((*x, *y, *size, runs.iter().map(|run| run.width(*face, *size)).sum(), text))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn everything_stays_inside_the_frame_whatever_the_names() {
        let long = "Maximiliana Konstantinopolitanische-Hohenzollern-Sigmaringen ".repeat(3);
        for (name, course) in [
            ("Ada", "Go"),
            ("Nguyễn Thị Ánh Tuyết", "Fundamentals of Distributed Systems and Everything That Breaks in Them"),
            (long.as_str(), &"W".repeat(200)),
            (&"x".repeat(200), &"many short words ".repeat(12)),
            ("张伟", "データベース入門"),
        ] {
            let sheet = sheet(&facts(name, course)).unwrap();
            let mut lines = texts(&sheet);
            for (x, y, size, width, text) in &lines {
                assert!(*x >= 40.0 && x + width <= WIDTH - 40.0, "{text} runs from {x} for {width}");
                assert!(*y >= 40.0 && y + size <= HEIGHT - 40.0, "{text} stands at {y}");
            }
            lines.retain(|line| line.1 > 150.0);
            for pair in lines.windows(2) {
                assert!(pair[0].1 - pair[1].1 >= pair[1].2 * 0.9, "{} touches {}", pair[0].4, pair[1].4);
            }
        }
    }

    #[test]
    fn a_character_without_a_glyph_is_reported_and_explained() {
        let sheet = sheet(&facts("张伟", "Rust")).unwrap();
        assert_eq!(sheet.missing, ['张', '伟']);
        assert!(texts(&sheet).iter().any(|line| line.4.contains("verify page shows them all")));
        assert!(super::sheet(&facts("Ada", "Rust")).unwrap().missing.is_empty());
    }

    #[test]
    fn invisible_and_composed_characters_are_tidied() {
        assert_eq!(tidy("  A\u{301}da \n\t Love\u{200b}lace\u{202e} "), "Áda Lovelace");
    }
}
