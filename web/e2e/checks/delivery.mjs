/**
 * How a stream reaches the browser: its token is renewed while it plays, and its captions are renditions. The server may
 * encrypt, and its tokens may be as short as it likes: the checks hold all the same.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

/** Tokens that live longer than this are renewed as if they did not (s). */
const SHORT = 6;

const HLS = createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js');

export const checks = [
  {
    name: 'a film plays on across the end of its tokens without a stall',
    async run(visit, { accounts, video }) {
      const { page } = visit;
      await visit.signIn(accounts.learner);
      await page.route('**/playback', async (route) => {
        const answer = await route.fetch();
        const playback = await answer.json();
        await route.fulfill({ response: answer, json: { ...playback, expires_in: Math.min(playback.expires_in, SHORT) } });
      });
      const tokens = new Set();
      const refused = [];
      page.on('request', (request) => {
        const token = /\/stream\/([^/]+)\/.*\.m4s$/.exec(new URL(request.url()).pathname)?.[1];
        if (token) tokens.add(token);
      });
      page.on('response', (response) => {
        if (response.url().includes('/stream/') && response.status() >= 400) refused.push(`${response.status()} ${response.url()}`);
      });
      await visit.open(`/watch/${video.asset.id}?t=0`);
      await visit.until('it plays', () => document.querySelector('.player')?.dataset.state === 'playing');
      await page.locator('.player video').evaluate((element) => {
        window.stalls = [];
        element.addEventListener('waiting', () => window.stalls.push(element.currentTime));
        element.muted = true;
        element.playbackRate = 2;
      });
      await visit.until('it plays for half a minute of film', () => document.querySelector('.player video').currentTime > 36);
      assert.deepEqual(refused, [], 'no request was made with a token that had ended');
      assert.ok(tokens.size >= 3, `segments were asked for with ${tokens.size} tokens`);
      assert.deepEqual(await page.evaluate(() => window.stalls), [], 'it never stood still');
    },
  },
  {
    name: 'captions are renditions that hls.js loads beside the film',
    // hls.js is put into the page by the check itself
    context: { bypassCSP: true },
    async run(visit, { accounts, api, video }) {
      const { page } = visit;
      await visit.signIn(accounts.learner);
      const { captions } = await api(`/assets/${video.asset.id}/playback`);
      const answered = page.waitForResponse((response) => response.url().endsWith('/playback') && response.ok());
      await visit.open(`/watch/${video.asset.id}`);
      const playback = await (await answered).json();
      await page.addScriptTag({ path: HLS });
      const seen = await page.evaluate(
        (master) =>
          new Promise((done, failed) => {
            const element = document.body.appendChild(document.createElement('video'));
            element.muted = true;
            const hls = new window.Hls();
            const log = [];
            hls.on(window.Hls.Events.ERROR, (_, error) => (error.fatal ? failed(new Error(error.details)) : log.push(error.details)));
            hls.on(window.Hls.Events.SUBTITLE_TRACKS_UPDATED, () => {
              hls.subtitleTrack = 0;
              hls.subtitleDisplay = true;
            });
            hls.loadSource(master);
            hls.attachMedia(element);
            element.play().catch(() => undefined);
            const look = setInterval(() => {
              const cues = [...(element.textTracks[0]?.cues ?? [])].map((cue) => ({ start: cue.startTime, text: cue.text }));
              if (cues.length === 0 || element.currentTime < 1) return;
              clearInterval(look);
              const tracks = hls.subtitleTracks.map(({ name, lang }) => ({ name, lang }));
              hls.destroy();
              element.remove();
              done({ cues, tracks, log });
            }, 100);
          }),
        playback.hls_url,
      );
      assert.equal(seen.tracks.length, captions.length, JSON.stringify(seen.tracks));
      assert.equal(seen.tracks[0].lang, captions[0].language);
      const file = await page.evaluate(async (url) => await (await fetch(url)).text(), playback.captions[0].url);
      const first = /(\d+):(\d+):(\d+\.\d+) --> /.exec(file);
      const start = Number(first[1]) * 3600 + Number(first[2]) * 60 + Number(first[3]);
      assert.ok(Math.abs(seen.cues[0].start - start) < 0.1, `the first cue is shown at ${seen.cues[0].start}, not ${start}`);
    },
  },
];
