//! The mark by which a certificate's file says which certificate it claims to be.
//!
//! It stands as plain bytes in the PDF's information dictionary, so that a changed file can be told apart from a
//! stranger's by scanning, without running a PDF parser over bytes that anybody may send. It proves nothing:
//! only the file's SHA-256 does.

use kernel::id::CertificateId;

const PREFIX: &str = "learnhub-certificate:";
const UUID_LEN: usize = 36;

/// The mark of a certificate.
pub fn marker(id: CertificateId) -> String {
    format!("{PREFIX}{id}")
}

/// The first mark in the bytes of a file.
pub fn find(bytes: &[u8]) -> Option<CertificateId> {
    let prefix = PREFIX.as_bytes();
    bytes
        .windows(prefix.len() + UUID_LEN)
        .filter(|window| window.starts_with(prefix))
        .find_map(|window| std::str::from_utf8(&window[prefix.len()..]).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_among_other_bytes() {
        let id = CertificateId::new();
        let mut bytes = b"%PDF-1.3 \xff\x00 learnhub-certificate:not-an-id ".to_vec();
        bytes.extend_from_slice(marker(id).as_bytes());
        assert_eq!(find(&bytes), Some(id));
        bytes.extend_from_slice(b") >> endobj");
        assert_eq!(find(&bytes), Some(id));
    }

    #[test]
    fn a_cut_or_missing_mark_is_none() {
        let mark = marker(CertificateId::new());
        assert_eq!(find(&mark.as_bytes()[..mark.len() - 1]), None);
        assert_eq!(find(b""), None);
    }
}
