/**
 * Plays HLS packages in a real browser with hls.js: `node e2e/play-packages.mjs DIR…`. Each package is played from its
 * start, sought to its end, shown in every quality, and its I-frame playlist is asked for the picture in the middle.
 * With SHAKA=…/shaka-player.compiled.js (npm's shaka-player, which is too large to be installed for this alone) that player
 * plays them instead, without I-frames. Serves the folders itself, as `learnhub` would; with SERVE=1 it only serves, for
 * `learnhub hls check URL`.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const TYPES = {
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.m4s': 'video/iso.segment',
  '.mp4': 'video/mp4',
  '.vtt': 'text/vtt',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript',
  '.html': 'text/html',
};
const LIBRARY = process.env.SHAKA ?? new URL('../node_modules/hls.js/dist/hls.js', import.meta.url);
const PAGE = '<!doctype html><script src="/library.js"></script><video muted width="640"></video><video muted class="trick"></video>';
const PATIENCE_MS = 30_000;

const folders = process.argv.slice(2).map((folder) => resolve(folder));
assert.ok(folders.length > 0, 'usage: node e2e/play-packages.mjs DIR…');

const server = createServer((request, response) => {
  answer(request, response).catch(() => {
    response.writeHead(404);
    response.end();
  });
});
await new Promise((listening) => server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', listening));
const origin = `http://127.0.0.1:${server.address().port}`;
if (process.env.SERVE) {
  folders.forEach((_, number) => console.log(`${origin}/${number}/master.m3u8`));
} else {
  await playAll();
  server.close();
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, origin);
  if (pathname === '/') {
    response.writeHead(200, { 'content-type': 'text/html' });
    return response.end(PAGE);
  }
  const [, number, ...rest] = pathname.split('/');
  const file = pathname === '/library.js' ? LIBRARY : join(folders[Number(number)], ...rest.filter((part) => part !== '..'));
  let bytes = await readFile(file);
  const headers = { 'content-type': TYPES[extname(pathname)] ?? 'application/octet-stream' };
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (range) {
    headers['content-range'] = `bytes ${range[1]}-${range[2]}/${bytes.length}`;
    response.writeHead(206, headers);
    return response.end(bytes.subarray(Number(range[1]), Number(range[2]) + 1));
  }
  if (pathname.endsWith('.m3u8')) {
    bytes = gzipSync(bytes);
    headers['content-encoding'] = 'gzip';
  }
  response.writeHead(200, headers);
  response.end(bytes);
}

async function playAll() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
  });
  let failed = 0;
  for (const [number, folder] of folders.entries()) {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(origin);
    const told = await page.evaluate(process.env.SHAKA ? playWithShaka : play, `/${number}/master.m3u8`).catch((error) => ({ failed: error.message }));
    failed += told.failed ? 1 : 0;
    console.log(`${told.failed ? 'failed' : 'played'}  ${folder}  ${JSON.stringify(told)}`);
    await page.close();
  }
  await browser.close();
  process.exitCode = failed > 0 ? 1 : 0;
}

/** In the page. */
async function play(url) {
  const video = document.querySelector('video');
  const hls = new window.Hls({ debug: false });
  const errors = [];
  const { Events } = window.Hls;
  hls.on(Events.ERROR, (_, { details, fatal }) => errors.push(fatal ? `FATAL ${details}` : details));
  const within = (what, condition) =>
    new Promise((done, fail) => {
      const deadline = performance.now() + 20_000;
      const look = () => {
        const fatal = errors.find((error) => error.startsWith('FATAL'));
        if (condition()) done();
        else if (fatal || performance.now() > deadline) fail(new Error(`never: ${what}; ${errors.join()}; at ${video.currentTime} of ${video.duration}`));
        else requestAnimationFrame(look);
      };
      look();
    });
  hls.loadSource(url);
  hls.attachMedia(video);
  await within('metadata', () => video.readyState >= 2 && Number.isFinite(video.duration));
  await video.play();
  const { duration } = video;
  const some = Math.min(0.5, duration / 2);
  await within('playing', () => video.currentTime >= some || video.ended);
  const shown = [];
  for (const [level, { height }] of hls.levels.entries()) {
    if (!height) continue;
    hls.currentLevel = level;
    video.currentTime = duration / 3;
    await within(`${height} lines`, () => video.videoHeight === height && video.readyState >= 2);
    shown.push(height);
  }
  video.currentTime = Math.max(0, duration - 0.6);
  await video.play().catch(() => undefined);
  await within('the end', () => video.ended);
  const trick = hls.createIFramePlayer?.();
  let still = null;
  if (trick && hls.levels.some(({ height }) => height)) {
    const small = document.querySelector('.trick');
    trick.on(Events.ERROR, (_, { details, fatal }) => errors.push(fatal ? `FATAL trick ${details}` : `trick ${details}`));
    trick.attachMedia(small);
    trick.loadMediaAt(duration / 2);
    await within('an I-frame', () => small.readyState >= 2 && small.videoHeight > 0);
    still = small.videoHeight;
    trick.destroy();
  }
  hls.destroy();
  return { duration: Number(duration.toFixed(3)), heights: shown, still, errors };
}

/** In the page. */
async function playWithShaka(url) {
  const video = document.querySelector('video');
  const { shaka } = window;
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  const errors = [];
  player.addEventListener('error', ({ detail }) => errors.push(`${detail.category}.${detail.code}`));
  const within = (what, condition) =>
    new Promise((done, fail) => {
      const deadline = performance.now() + 20_000;
      const look = () => {
        if (condition()) done();
        else if (errors.length > 0 || performance.now() > deadline) fail(new Error(`never: ${what}; ${errors.join()}; at ${video.currentTime}`));
        else requestAnimationFrame(look);
      };
      look();
    });
  await player.load(url).catch((error) => Promise.reject(new Error(`load: ${error.category}.${error.code} ${error.data}`)));
  await within('metadata', () => video.readyState >= 2 && Number.isFinite(video.duration));
  await video.play();
  const { duration } = video;
  await within('playing', () => video.currentTime >= Math.min(0.5, duration / 2) || video.ended);
  player.configure({ abr: { enabled: false } });
  const shown = [];
  for (const track of player.getVariantTracks().filter(({ height }) => height)) {
    player.selectVariantTrack(track, true);
    video.currentTime = duration / 3;
    await within(`${track.height} lines`, () => video.videoHeight === track.height && video.readyState >= 2);
    shown.push(track.height);
  }
  video.currentTime = Math.max(0, duration - 0.6);
  await video.play().catch(() => undefined);
  await within('the end', () => video.ended);
  await player.destroy();
  return { duration: Number(duration.toFixed(3)), heights: shown, errors };
}
