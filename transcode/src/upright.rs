//! Makes decoded pictures ready to be scaled: deinterlaced, tone-mapped to standard range, turned upright, through
//! libavfilter. Most sources need none of it and pass untouched.

use ffmpeg::util::frame::Frame;
use ffmpeg::{filter, frame};
use ffmpeg_next as ffmpeg;

use crate::cadence::VIDEO_TIMESCALE;
use crate::error::{Doing, TranscodeError};
use crate::picture::pixel_format;
use crate::probe::VideoInfo;

/// Filters for one source; built for the first picture and built anew when the pictures change their shape.
pub struct Upright {
    chain: String,
    tone_maps: bool,
    graph: Option<(Shape, filter::Graph)>,
}

type Shape = (u32, u32, i32);

impl Upright {
    /// `width` and `height` are those of the largest rung: tone mapping is dear, so it works on that size.
    pub fn new(video: &VideoInfo, width: u32, height: u32) -> Self {
        let tone_maps = video.hdr && filter::find("zscale").is_some() && filter::find("tonemap").is_some();
        let mut steps = vec![];
        if video.interlaced {
            // Only frames that are marked as interlaced; one frame out per frame in.
            steps.push("yadif=mode=send_frame:deint=interlaced".to_owned());
        }
        if tone_maps {
            let (width, height) = if video.turn.transpose { (height, width) } else { (width, height) };
            // Linear light at the nominal peak of reference white, then a curve that keeps faces and slides as they are.
            steps.push(format!(
                "scale={width}:{height}:flags=bicubic,zscale=transfer=linear:npl=203,format=gbrpf32le,zscale=primaries=bt709,\
                 tonemap=tonemap=mobius:desat=0,zscale=transfer=bt709:matrix=bt709:range=limited,format=yuv420p"
            ));
        }
        if !video.turn.is_upright() {
            steps.push(video.turn.filters());
        }
        Self { chain: steps.join(","), tone_maps, graph: None }
    }

    /// Whether what comes out is BT.709 although the source is not.
    pub fn tone_maps(&self) -> bool {
        self.tone_maps
    }

    /// Takes a picture whose pts counts 1/90000 s and hands on what is ready.
    pub fn push(
        &mut self,
        picture: frame::Video,
        each: &mut dyn FnMut(frame::Video) -> Result<(), TranscodeError>,
    ) -> Result<(), TranscodeError> {
        if self.chain.is_empty() {
            return each(picture);
        }
        let shape = (picture.width(), picture.height(), pixel_format(&picture));
        if self.graph.as_ref().is_none_or(|(built, _)| *built != shape) {
            self.finish(each)?;
            self.graph = Some((shape, build(&self.chain, &picture).doing("prepare the picture filters")?));
        }
        let Some((_, graph)) = &mut self.graph else { return Ok(()) };
        let mut source = graph.get("in").ok_or(ffmpeg::Error::FilterNotFound).doing("filter a picture")?;
        source.source().add(&picture).doing("filter a picture")?;
        drain(graph, each)
    }

    /// Hands on what the filters still hold.
    pub fn finish(&mut self, each: &mut dyn FnMut(frame::Video) -> Result<(), TranscodeError>) -> Result<(), TranscodeError> {
        let Some((_, mut graph)) = self.graph.take() else { return Ok(()) };
        let mut source = graph.get("in").ok_or(ffmpeg::Error::FilterNotFound).doing("filter a picture")?;
        source.source().flush().doing("filter a picture")?;
        drain(&mut graph, each)
    }
}

fn build(chain: &str, picture: &frame::Video) -> Result<filter::Graph, ffmpeg::Error> {
    let mut graph = filter::Graph::new();
    // SAFETY: the graph is allocated and has no filters yet, when the thread count may be set.
    unsafe { (*graph.as_mut_ptr()).nb_threads = 1 };
    let missing = ffmpeg::Error::FilterNotFound;
    let arguments = format!(
        "video_size={}x{}:pix_fmt={}:time_base=1/{VIDEO_TIMESCALE}:pixel_aspect=1/1",
        picture.width(),
        picture.height(),
        pixel_format(picture),
    );
    graph.add(&filter::find("buffer").ok_or(missing)?, "in", &arguments)?;
    graph.add(&filter::find("buffersink").ok_or(missing)?, "out", "")?;
    graph.output("in", 0)?.input("out", 0)?.parse(chain)?;
    graph.validate()?;
    Ok(graph)
}

fn drain(graph: &mut filter::Graph, each: &mut dyn FnMut(frame::Video) -> Result<(), TranscodeError>) -> Result<(), TranscodeError> {
    let mut context = graph.get("out").ok_or(ffmpeg::Error::FilterNotFound).doing("filter a picture")?;
    let mut sink = context.sink();
    let base = sink.time_base();
    loop {
        // SAFETY: allocates an empty frame, which the sink fills.
        let mut frame = unsafe { Frame::empty() };
        match sink.frame(&mut frame) {
            Ok(()) => {
                // Deinterlacing halves the time base.
                let ticks = i64::from(base.numerator()) * VIDEO_TIMESCALE;
                let pts = frame.pts().map(|pts| pts.saturating_mul(ticks) / i64::from(base.denominator().max(1)));
                frame.set_pts(pts);
                each(frame.into())?;
            }
            Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => return Ok(()),
            Err(error) => return Err(error).doing("filter a picture"),
        }
    }
}
