//! Opens a local file through libav with everything switched off that could reach another file or the network.
//! Owns the whitelists; knows nothing of codecs.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Once;

use ffmpeg::format::context::Input;
use ffmpeg::{Dictionary, ffi};
use ffmpeg_next as ffmpeg;

use crate::budget::MAX_STREAMS;
use crate::error::{Doing, TranscodeError};
use crate::sniff;

/// Demuxers that may see uploaded bytes: containers that teachers upload, none that names other files (HLS, DASH,
/// concat, SDP, image sequences and the like stay out).
const FORMATS: &str = "mov,matroska,mpegts,mpeg,mpegvideo,avi,flv,asf,ogg,wav,w64,aiff,caf,mp3,flac,aac,ac3,eac3,dts,dtshd,amr,mxf,m4v,ivf";

/// libav names demuxers by several aliases at once and matches any; only plain files may be opened below them.
const PROTOCOLS: &str = "file";

/// Opens `path` and reads its headers.
///
/// # Errors
/// `empty_file`, `unsupported_container`, `encrypted_media`, `media_unreadable`, `too_many_streams`, or an I/O error.
pub fn open(path: &Path) -> Result<Input, TranscodeError> {
    start_library();
    let mut file = File::open(path).doing("open the source")?;
    let mut head = Vec::new();
    file.by_ref().take(4096).read_to_end(&mut head).doing("read the source")?;
    if head.is_empty() {
        return Err(TranscodeError::EmptyFile);
    }
    if sniff::is_mp4(&head) && sniff::is_encrypted_mp4(&mut file).doing("read the source")? {
        return Err(TranscodeError::EncryptedMedia);
    }
    let refused = |error: ffmpeg::Error| match error {
        ffmpeg::Error::Other { errno } if errno == ffmpeg::error::ENOMEM => {
            TranscodeError::Library { doing: "open the source", source: error }
        }
        _ if sniff::is_media(&head) => TranscodeError::unreadable(error.to_string()),
        _ => TranscodeError::UnsupportedContainer,
    };
    // The protocol is written out, so that a name such as `concat:a|b` stays the name of a file.
    let absolute = std::path::absolute(path).doing("open the source")?;
    let name = absolute.to_str().ok_or(TranscodeError::UnsupportedContainer)?;
    let mut input = open_headers(&format!("file:{name}")).map_err(refused)?;
    if input.nb_streams() as usize > MAX_STREAMS {
        return Err(TranscodeError::TooManyStreams { streams: input.nb_streams() as usize });
    }
    // SAFETY: `input` owns an opened format context; null options are allowed.
    let found = unsafe { ffi::avformat_find_stream_info(input.as_mut_ptr(), std::ptr::null_mut()) };
    if found < 0 {
        return Err(refused(found.into()));
    }
    // A transport stream may show more of its streams only now.
    if input.nb_streams() as usize > MAX_STREAMS {
        return Err(TranscodeError::TooManyStreams { streams: input.nb_streams() as usize });
    }
    if input.streams().any(|stream| stream.metadata().get("enc_key_id").is_some()) {
        return Err(TranscodeError::EncryptedMedia);
    }
    Ok(input)
}

/// Opens without looking for stream details yet: a file with thousands of streams must not be searched first.
fn open_headers(url: &str) -> Result<Input, ffmpeg::Error> {
    let url = std::ffi::CString::new(url).map_err(|_| ffmpeg::Error::InvalidData)?;
    let mut options = Dictionary::new();
    options.set("format_whitelist", FORMATS);
    options.set("protocol_whitelist", PROTOCOLS);
    let mut context = std::ptr::null_mut();
    // SAFETY: `options` is handed over and taken back, as avformat_open_input may replace it; on success the context
    // is opened and owned by the returned `Input`, on failure libav has freed it.
    unsafe {
        let mut raw = options.disown();
        let opened = ffi::avformat_open_input(&mut context, url.as_ptr(), std::ptr::null(), &mut raw);
        drop(Dictionary::own(raw));
        match opened {
            0 => Ok(Input::wrap(context)),
            error => Err(error.into()),
        }
    }
}

/// Once per process. libav complains on stderr about every damaged packet; what matters is in our errors and notices.
fn start_library() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fills the table of error texts; cannot fail with the versions in use.
        let _ = ffmpeg::init();
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
    });
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;

    use super::*;

    fn code_of(name: &str, bytes: &[u8]) -> &'static str {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        open(&path).err().map_or("opened", |error| error.code())
    }

    #[test]
    fn lists_of_other_media_are_refused_under_every_name_and_nothing_is_fetched() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/secret.ts", listener.local_addr().unwrap());
        let lists = [
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{url}\n#EXT-X-ENDLIST\n"),
            format!("ffconcat version 1.0\nfile '{url}'\n"),
            format!(
                "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period><BaseURL>{url}</BaseURL></Period></MPD>"
            ),
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n".to_owned(),
        ];
        for list in &lists {
            for name in ["a.mp4", "a.mkv", "a.ts", "a.m3u8"] {
                assert_eq!(code_of(name, list.as_bytes()), "unsupported_container", "{name}: {list}");
            }
        }
        assert!(listener.accept().is_err(), "something was fetched");
    }

    #[test]
    fn empty_and_headless_files_have_their_own_codes() {
        assert_eq!(code_of("a.mp4", b""), "empty_file");
        assert_eq!(code_of("a.mp4", b"just words, no media at all"), "unsupported_container");
        let headless = [&b"\0\0\0\x18ftypisom\0\0\0\0isommp41\0\0\x10\0mdat"[..], &[7; 2000]].concat();
        assert_eq!(code_of("a.mp4", &headless), "media_unreadable");
    }

    #[test]
    fn a_name_that_looks_like_a_protocol_is_only_a_name() {
        assert_eq!(code_of("concat:a|b", b"words"), "unsupported_container");
        assert_eq!(code_of("%03d.mp4", b"words"), "unsupported_container");
    }
}
