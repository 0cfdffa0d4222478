#!/usr/bin/env python3
"""Make the sample course anew from samples/src: slides.pdf, handout.pdf, lecture.mp4, lecture.en.vtt

Needs ffmpeg and espeak-ng (Debian packages) and typst (`pip install typst==0.15.2`). notes.md, page.html and course.toml
are written by hand; this puts the true second of each question that names a sentence of the lecture into course.toml.
"""
import math
import re
import struct
import subprocess
import sys
import tempfile
import tomllib
import wave
import zlib
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent
SOURCE = SAMPLES / "src"
WIDTH, HEIGHT, FPS = 1920, 1080, 25
VOICE = ["espeak-ng", "-v", "en-gb", "-s", "155", "-z"]
AFTER_SENTENCE, AFTER_SLIDE = 0.45, 1.0  # seconds of silence
MOVE = 0.7                               # seconds that the pointer takes to its next place


def main():
    try:
        import typst
    except ImportError:
        sys.exit("make.py: typst is missing: run `pip install typst==0.15.2`, in a venv if you like")
    for name in ["slides", "handout"]:
        typst.compile(SOURCE / f"{name}.typ", output=SAMPLES / f"{name}.pdf")
    slides = tomllib.loads((SOURCE / "lecture.toml").read_text())["slide"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        typst.compile(SOURCE / "slides.typ", output=work / "slide-{p}.png", format="png", ppi=192)
        cues = narrate(slides, work)
        film(slides, cues, work)
    (SAMPLES / "lecture.en.vtt").write_text(webvtt(cues))
    put_seconds(cues)
    size = (SAMPLES / "lecture.mp4").stat().st_size
    print(f"lecture: {cues[-1]['end'] + AFTER_SLIDE:.1f} s, {size / 1e6:.2f} MB, {len(cues)} cues")


# ---- the voice -------------------------------------------------------------------------------------------------

def narrate(slides, work):
    """Speak each sentence on its own, so that its time is known to the sample, and join them to voice.wav."""
    cues, samples, rate = [], bytearray(), None
    for number, slide in enumerate(slides, 1):
        for sentence in slide["sentences"]:
            spoken = work / "sentence.wav"
            subprocess.run([*VOICE, "-w", spoken, sentence.get("say", sentence["text"])], check=True)
            with wave.open(str(spoken)) as file:
                rate = file.getframerate()
                voice = file.readframes(file.getnframes())
            start = len(samples) / 2 / rate
            samples += voice
            cues.append({"slide": number, "start": start, "end": len(samples) / 2 / rate, **sentence})
            samples += bytes(2 * round(rate * AFTER_SENTENCE))
        samples += bytes(2 * round(rate * (AFTER_SLIDE - AFTER_SENTENCE)))
    with wave.open(str(work / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return cues


# ---- the picture -----------------------------------------------------------------------------------------------

def film(slides, cues, work):
    starts = [next(c["start"] for c in cues if c["slide"] == n) for n in range(1, len(slides) + 1)]
    ends = starts[1:] + [cues[-1]["end"] + AFTER_SLIDE]
    lines = [f"file 'slide-{n}.png'\nduration {end - start:.3f}" for n, (start, end) in enumerate(zip(starts, ends), 1)]
    (work / "slides.txt").write_text("\n".join([*lines, f"file 'slide-{len(slides)}.png'", ""]))
    (work / "pointer.png").write_bytes(disc_png(18, (214, 60, 40, 220)))
    (work / "float.png").write_bytes(disc_png(26, (230, 150, 30, 255)))

    x, y = (path([(c["start"], c["at"][axis]) for c in cues], size) for axis, size in [(0, WIDTH), (1, HEIGHT)])
    graph = f"[0:v]fps={FPS},format=yuv420p[v0];[v0][1:v]overlay=x='{x}-w/2':y='{y}-h/2':shortest=1[v1]"
    last = "v1"
    for slide, start, end in zip(slides, starts, ends):
        if slide.get("curve"):  # the frame of the curve is the one that slides.typ draws
            part = f"clip((t-{start:.2f})/{end - start - 1:.2f},0,1)"
            fx = f"{2.4 / 25.4 * WIDTH:.1f}+{20.6 / 25.4 * WIDTH:.1f}*{part}"
            fy = f"{(4.4 + 5.4 / 2) / 14.2875 * HEIGHT:.1f}-{0.42 * 5.4 / 14.2875 * HEIGHT:.1f}*sin({4 * math.pi:.5f}*{part})"
            graph += f";[{last}][2:v]overlay=x='{fx}-w/2':y='{fy}-h/2':enable='between(t,{start:.2f},{end:.2f})':shortest=1[c]"
            last = "c"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "concat", "-i", work / "slides.txt",
         "-loop", "1", "-framerate", str(FPS), "-i", work / "pointer.png",
         "-loop", "1", "-framerate", str(FPS), "-i", work / "float.png", "-i", work / "voice.wav",
         "-filter_complex", graph, "-map", f"[{last}]", "-map", "3:a", "-t", f"{ends[-1]:.3f}",
         "-c:v", "libx264", "-preset", "slow", "-crf", "22", "-pix_fmt", "yuv420p", "-g", "250",
         "-c:a", "aac", "-b:a", "80k", "-ar", "48000", "-ac", "1",
         "-map_metadata", "-1", "-metadata", "title=How tides work", "-metadata:s:a", "language=eng",
         "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart",
         SAMPLES / "lecture.mp4"],
        check=True,
    )


def path(stops, size):
    """An ffmpeg expression that goes from stop to stop, taking MOVE seconds for each leg."""
    terms = [f"{stops[0][1] * size:.1f}"]
    for (_, before), (time, after) in zip(stops, stops[1:]):
        terms.append(f"{(after - before) * size:+.1f}*clip((t-{time:.2f})/{MOVE},0,1)")
    return "".join(t if t[0] in "+-" else f"+{t}" for t in terms).lstrip("+")


def disc_png(radius, colour):
    """A round dot with a soft edge, as PNG: not worth an image library."""
    red, green, blue, opacity = colour
    rows = b""
    for y in range(-radius, radius + 1):
        rows += b"\0"
        for x in range(-radius, radius + 1):
            inside = min(max(radius - math.hypot(x, y), 0), 1)
            rows += bytes([red, green, blue, round(opacity * inside)])
    side = 2 * radius + 1

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# ---- the words -------------------------------------------------------------------------------------------------

def webvtt(cues):
    blocks = [f"{stamp(c['start'])} --> {stamp(c['end'])}\n{two_lines(c['text'])}\n" for c in cues]
    return "WEBVTT\n\nNOTE Captions of the lecture. Made by make.py from the spoken sentences.\n\n" + "\n".join(blocks)


def stamp(seconds):
    millis = round(seconds * 1000)
    return f"{millis // 3600000:02}:{millis // 60000 % 60:02}:{millis // 1000 % 60:02}.{millis % 1000:03}"


def two_lines(text):
    """Break a long caption at the space nearest to its middle."""
    if len(text) < 48:
        return text
    spaces = [i for i, c in enumerate(text) if c == " "]
    middle = min(spaces, key=lambda i: abs(i - len(text) / 2))
    return text[:middle] + "\n" + text[middle + 1 :]


def put_seconds(cues):
    """In course.toml, `sentence = "start of a sentence"` is followed by the second at which that sentence begins."""
    course = SAMPLES / "course.toml"

    def second(match):
        (cue,) = [c for c in cues if c["text"].startswith(match[1])]
        return f'sentence = "{match[1]}"\nsecond = {cue["start"]:.1f}'

    course.write_text(re.sub(r'sentence = "([^"]+)"\nsecond = [\d.]+', second, course.read_text()))


if __name__ == "__main__":
    main()
