/** From a hit to the second: the stream plays, the captions are there, the transcript follows. */
import assert from 'node:assert/strict';

const film = (visit, read) => visit.page.locator('.player video').evaluate(read);

export const checks = [
  {
    name: 'Enter on a video hit plays the HLS stream from its second, with captions and transcript',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      await visit.search(video.query);
      const address = await toHit(visit, `/watch/${video.asset.id}?t=`);
      await visit.page.keyboard.press('Enter');
      await visit.page.waitForURL((url) => url.pathname + url.search === address);
      const second = Number(new URL(address, 'http://x').searchParams.get('t'));

      await visit.page.locator('.player[data-engine="hls.js"]').waitFor();
      await visit.until('playback goes past the second', (t) => document.querySelector('.player video').currentTime > t + 1, second);
      const { at, source, cues } = await film(visit, (v) => ({ at: v.currentTime, source: v.src, cues: v.textTracks[0]?.cues?.length ?? 0 }));
      assert.ok(at >= second && at < second + 15, `plays at ${at}, opened for ${second}`);
      assert.match(source, /^blob:/, 'fed by hls.js');
      assert.ok(cues > 0, 'captions are loaded');
      assert.equal(await visit.page.locator('.player[data-state="fatal"]').count(), 0);

      const line = visit.page.locator('.transcript [aria-current="true"]');
      await line.waitFor();
      const said = seconds(await line.locator('.transcript-time').innerText());
      const now = await film(visit, (v) => v.currentTime);
      assert.ok(said <= now + 1 && said > second - 15, `the line of ${said} s is marked at ${now} s`);
      await visit.shot('watch');
    },
  },
  {
    name: 'an address opens its second exactly, and a line of the transcript its own',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}?t=7.5`);
      await visit.until('the film is at its second', () => document.querySelector('.player video')?.currentTime >= 7.5);
      const at = await film(visit, (v) => v.currentTime);
      assert.ok(at < 12, `at ${at}`);
      const line = visit.page.locator('.transcript li button').nth(1);
      const wanted = seconds(await line.locator('.transcript-time').innerText());
      await line.click();
      await visit.until('the film goes to the line', (s) => Math.abs(document.querySelector('.player video').currentTime - s) < 3, wanted);
    },
  },
  {
    name: 'the keys of the player do what its list says, and the speed is remembered',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}?t=3`);
      await visit.until('it plays', () => document.querySelector('.player')?.dataset.state === 'playing');
      const press = (key) => visit.page.keyboard.press(key);
      await press('k');
      assert.equal(await film(visit, (v) => v.paused), true, 'k pauses');
      await press('0');
      await press('l');
      await visit.until('l goes ten seconds on', () => Math.abs(document.querySelector('.player video').currentTime - 10) < 0.5);
      await press('j');
      await visit.until('j goes ten seconds back', () => document.querySelector('.player video').currentTime < 0.5);
      await press('ArrowRight');
      await visit.until('→ goes five seconds on', () => Math.abs(document.querySelector('.player video').currentTime - 5) < 0.5);
      await press('5');
      await visit.until('5 goes to the middle', () => {
        const v = document.querySelector('.player video');
        return Math.abs(v.currentTime - v.duration / 2) < 0.5;
      });
      await press('m');
      assert.equal(await film(visit, (v) => v.muted), true, 'm takes the sound away');
      await press('>');
      await press('>');
      assert.equal(await film(visit, (v) => v.playbackRate), 1.5, '> is faster');
      await press('c');
      await press(' ');
      await visit.page.locator('.caption').waitFor();
      await visit.shot('captions');
      await press('?');
      await visit.page.getByRole('dialog', { name: 'Keys of the player' }).waitFor();
      await press('Escape');
      await visit.page.reload();
      await visit.until('the speed comes back', () => document.querySelector('.player video')?.playbackRate === 1.5);
    },
  },
  {
    name: 'every quality of the stream can be chosen',
    async run(visit, { accounts, video, url }) {
      const master = await (await fetch(new URL(video.master, url))).text();
      const renditions = master.split('\n').filter((line) => line.startsWith('#EXT-X-STREAM-INF') && line.includes('RESOLUTION')).length;
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}?t=2`);
      await visit.until('it plays', () => document.querySelector('.player')?.dataset.state === 'playing');
      await visit.page.getByRole('button', { name: 'Settings' }).click();
      const menu = visit.page.getByLabel('Quality');
      if (renditions < 2) {
        assert.equal(await menu.count(), 0, 'one quality needs no menu');
        return;
      }
      const labels = await menu.locator('option').allInnerTexts();
      assert.equal(labels.length, renditions + 1, labels.join());
      await menu.selectOption({ label: labels.at(-1) });
      const lowest = Number.parseInt(labels.at(-1));
      await visit.until('the chosen quality is shown', (h) => document.querySelector('.player video').videoHeight === h, lowest);
    },
  },
  {
    name: 'a stream that cannot be had says so and can be tried again',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      let broken = true;
      await visit.page.route('**/stream/**/*.m3u8*', (route) => (broken ? route.fulfill({ status: 404, body: 'gone' }) : route.continue()));
      await visit.open(`/watch/${video.asset.id}?t=4`);
      const alert = visit.page.locator('.player').getByRole('alert');
      await alert.waitFor();
      broken = false;
      await alert.getByRole('button', { name: 'Try again' }).click();
      await visit.until('it can play', () => document.querySelector('.player video').readyState >= 3);
    },
  },
  {
    name: 'a film whose address has ended goes on with a new one',
    async run(visit, { accounts, video }) {
      const { page } = visit;
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}?t=1`);
      await visit.until('it plays', () => document.querySelector('.player')?.dataset.state === 'playing');
      let ended = true;
      let refused = 0;
      await page.route('**/stream/**', (route) => (ended ? (refused++, route.fulfill({ status: 403, body: 'ended' })) : route.continue()));
      page.on('request', (request) => {
        if (request.url().endsWith('/playback')) ended = false;
      });
      // far away, where nothing is loaded yet
      await page.keyboard.press('8');
      const goal = await film(visit, (v) => v.duration * 0.8 + 0.5);
      await visit.until('it plays on at its new place', (t) => document.querySelector('.player video').currentTime > t, goal);
      if (refused === 0) assert.ok(!ended || (await film(visit, (v) => v.buffered.length > 0)), 'all of it was loaded already');
    },
  },
];

/** Walks with the arrow keys to the hit that an address belongs to; answers with the whole address. */
async function toHit(visit, start) {
  await visit.page.locator(`a.hit[href^="${start}"]`).first().waitFor();
  for (let step = 0; step < 30; step++) {
    await visit.page.keyboard.press('ArrowDown');
    const address = await visit.page.evaluate(() => document.activeElement.getAttribute('href'));
    if (address?.startsWith(start)) return address;
  }
  throw new Error(`the arrow keys do not reach ${start}`);
}

function seconds(text) {
  return text.split(':').reduce((total, part) => total * 60 + Number(part), 0);
}
