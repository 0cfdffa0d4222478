//! Sound as speech recognisers want it: 16 000 samples a second, one channel, 16 bits, in a WAV file.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use crate::sound::{Pcm, RATE};

/// Samples per second that come out.
pub const SPEECH_RATE: i64 = 16_000;
/// One of so many samples is kept.
const STEP: usize = (RATE / SPEECH_RATE) as usize;
/// Length of the low-pass in samples of the input: odd, so that it delays by whole samples.
const TAPS: usize = 63;
/// Everything above is to go, as a share of the input's rate: 7.2 kHz, as 8 kHz is the most that 16 000 samples can hold.
const CUTOFF: f64 = 0.15;
/// Bytes of the header.
const HEADER: u32 = 44;

/// Mixes to one channel and keeps every third sample of what a low-pass lets through. Pure.
pub struct Downsampler {
    kernel: [f32; TAPS],
    /// The last samples that came in, oldest first; what came before the first is silence.
    recent: Vec<f32>,
    /// How many more samples until one comes out.
    until: usize,
}

impl Default for Downsampler {
    fn default() -> Self {
        let half = (TAPS / 2) as f64;
        let mut kernel = [0.0; TAPS];
        for (at, tap) in kernel.iter_mut().enumerate() {
            let x = at as f64 - half;
            let sinc = if x == 0.0 { 2.0 * CUTOFF } else { (std::f64::consts::TAU * CUTOFF * x).sin() / (std::f64::consts::PI * x) };
            let turn = std::f64::consts::PI * at as f64 / half;
            let window = 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
            *tap = (sinc * window) as f32;
        }
        // The middle of the low-pass stands over the first sample, so that nothing is delayed.
        Self { kernel, recent: vec![0.0; TAPS / 2], until: TAPS / 2 }
    }
}

impl Downsampler {
    /// Takes a piece of the sound track.
    pub fn push(&mut self, pcm: &Pcm, out: &mut Vec<f32>) {
        match pcm {
            Pcm::Samples(left, right) => left.iter().zip(right).for_each(|(left, right)| self.sample((left + right) / 2.0, out)),
            Pcm::Silence(samples) => (0..*samples).for_each(|_| self.sample(0.0, out)),
        }
    }

    /// What the last samples that came in still lead to.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        (0..TAPS / 2).for_each(|_| self.sample(0.0, out));
    }

    fn sample(&mut self, sample: f32, out: &mut Vec<f32>) {
        self.recent.push(sample);
        if self.until > 0 {
            self.until -= 1;
            return;
        }
        self.until = STEP - 1;
        let window = &self.recent[self.recent.len() - TAPS..];
        out.push(window.iter().zip(&self.kernel).map(|(sample, tap)| sample * tap).sum());
        // Moved now and then, not for every sample.
        if self.recent.len() > 4096 {
            self.recent.drain(..self.recent.len() - TAPS);
        }
    }
}

/// A WAV file while it is written.
pub struct Wav {
    file: BufWriter<File>,
    /// Samples written.
    pub samples: u64,
    /// The loudest, from 0 to 1.
    pub peak: f32,
}

impl Wav {
    /// Begins a file.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&header(0))?;
        Ok(Self { file, samples: 0, peak: 0.0 })
    }

    /// Adds samples from -1 to 1.
    pub fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        for sample in samples {
            self.peak = self.peak.max(sample.abs());
            self.file.write_all(&((sample.clamp(-1.0, 1.0) * 32767.0).round() as i16).to_le_bytes())?;
        }
        self.samples += samples.len() as u64;
        Ok(())
    }

    /// Ends the file; its header says how long it is.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(self.samples))?;
        self.file.flush()
    }
}

fn header(samples: u64) -> [u8; HEADER as usize] {
    // A day of sound is less than half of what a WAV file can hold.
    let bytes = u32::try_from(samples * 2).unwrap_or(u32::MAX - HEADER);
    let mut header = [0; HEADER as usize];
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &(bytes + HEADER - 8).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(), // plain samples
        &1_u16.to_le_bytes(), // one channel
        &(SPEECH_RATE as u32).to_le_bytes(),
        &(SPEECH_RATE as u32 * 2).to_le_bytes(),
        &2_u16.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &bytes.to_le_bytes(),
    ];
    let mut at = 0;
    for part in parts {
        header[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loudest of a second of a tone, once the filter has seen enough of it, and how many samples came out.
    fn tone(hertz: f64) -> (f32, usize) {
        let tone: Vec<f32> = (0..RATE).map(|i| (std::f64::consts::TAU * hertz * i as f64 / RATE as f64).sin() as f32).collect();
        let (mut down, mut out) = (Downsampler::default(), vec![]);
        for piece in tone.chunks(1024) {
            down.push(&Pcm::Samples(piece.to_vec(), piece.to_vec()), &mut out);
        }
        down.finish(&mut out);
        (out[100..out.len() - 100].iter().fold(0.0, |peak, sample| sample.abs().max(peak)), out.len())
    }

    #[test]
    fn speech_passes_and_what_would_sound_as_something_else_does_not() {
        for hertz in [100.0, 1000.0, 5000.0] {
            let (peak, samples) = tone(hertz);
            assert!((0.97..1.03).contains(&peak), "{hertz} Hz: {peak}");
            assert_eq!(samples, SPEECH_RATE as usize);
        }
        for hertz in [9500.0, 12_000.0, 20_000.0] {
            assert!(tone(hertz).0 < 0.01, "{hertz} Hz: {}", tone(hertz).0);
        }
    }

    #[test]
    fn a_click_stays_where_it_is() {
        let mut samples = vec![0.0; 4800];
        samples[2400] = 1.0;
        let (mut down, mut out) = (Downsampler::default(), vec![]);
        down.push(&Pcm::Samples(samples.clone(), samples), &mut out);
        let loudest = (0..out.len()).max_by(|a, b| out[*a].abs().total_cmp(&out[*b].abs())).unwrap();
        assert_eq!(loudest, 800);
    }

    #[test]
    fn the_header_says_how_much_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let mut wav = Wav::create(&path).unwrap();
        wav.write(&[0.0, 0.5, -1.0, 3.0]).unwrap();
        assert_eq!((wav.samples, wav.peak), (4, 3.0));
        wav.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 52);
        assert_eq!(
            (&bytes[..4], &bytes[4..8], &bytes[8..16], &bytes[24..28]),
            (&b"RIFF"[..], &[44, 0, 0, 0][..], &b"WAVEfmt "[..], &[0x80, 0x3e, 0, 0][..])
        );
        assert_eq!(&bytes[36..], &[b'd', b'a', b't', b'a', 8, 0, 0, 0, 0, 0, 0, 64, 1, 128, 255, 127]);
    }
}
