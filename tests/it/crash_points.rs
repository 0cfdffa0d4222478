//! The program that people get has no crash points; the chaos harness looks that its own has.

#[cfg(not(feature = "chaos"))]
#[test]
fn nothing_of_the_crash_points_is_in_the_program() {
    let program = std::fs::read(crate::program::PROGRAM).expect("read the program");
    for word in ["LEARNHUB_CHAOS", "upload.committed", "finish.before_commit", "janitor.deleted"] {
        assert!(!program.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
}
