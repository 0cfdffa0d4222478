/** Around the picture: chapters, the storyboard, captions to one's liking, where one stopped, and the wait before. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { eventually, newAccount, ownRecording, settled, signedIn } from '../world.mjs';

const film = (visit, read) => visit.page.locator('.player video').evaluate(read);
const FIXTURES = new URL('../../../tests/fixtures/', import.meta.url);

/** A JPEG of one grey pixel. */
const PIXEL = Buffer.from(
  '/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q==',
  'base64',
);

export const checks = [
  {
    name: 'chapters are marked on the seek bar, named, listed, and each opens its second',
    async run(visit, { accounts, url }) {
      const teacher = await signedIn(url, accounts.instructor);
      const { video } = await ownRecording(teacher);
      const chapters = ['The shore', 'The cliffs', 'The open sea'].map((title, second) => ({ start_s: second, title }));
      await teacher(`/assets/${video.id}/chapters`, { method: 'PUT', headers: { 'if-match': '*' }, body: { chapters } });
      const { page } = visit;
      await visit.signIn(accounts.instructor);
      await visit.open(`/watch/${video.id}`);
      const now = page.locator('.chapter-now');
      await visit.until('the film is loaded', () => document.querySelector('.player video')?.duration > 2);
      assert.equal(await page.locator('.seek-mark').count(), 2, 'a mark between any two chapters');
      assert.match(await now.innerText(), /The shore/);

      await page.getByRole('tab', { name: 'Chapters' }).click();
      await page.locator('.side').getByRole('button', { name: /The open sea/ }).click();
      await visit.until('the chapter is opened', () => document.querySelector('.player video').currentTime >= 2);
      await page.locator('.chapter-now', { hasText: 'The open sea' }).waitFor();
      await page.locator('.side [aria-current="true"]', { hasText: 'The open sea' }).waitFor();

      await now.click();
      await page.getByRole('dialog', { name: 'Chapters' }).getByRole('button', { name: /The cliffs/ }).click();
      await visit.until('the menu opens it too', () => {
        const { currentTime } = document.querySelector('.player video');
        return currentTime >= 1;
      });
      assert.match(await page.getByRole('slider', { name: 'Position' }).getAttribute('aria-valuetext'), /of 0:0[23], The /);
    },
  },
  {
    name: 'the seek bar shows the picture of the moment under the pointer and under the focus',
    async run(visit, { accounts, video }) {
      const { page } = visit;
      await page.route('**/playback', async (route) => {
        const answer = await route.fetch();
        await route.fulfill({ response: answer, json: { ...(await answer.json()), storyboard_url: '/storyboard-of-a-check/storyboard.vtt' } });
      });
      const cues = Array.from({ length: 30 }, (_, i) => `00:${clock(i * 5)} --> 00:${clock(i * 5 + 5)}\nstoryboard-1.jpg#xywh=${i * 160},0,160,90\n`);
      await page.route('**/storyboard-of-a-check/*.vtt', (route) => route.fulfill({ contentType: 'text/vtt', body: ['WEBVTT\n', ...cues].join('\n') }));
      let asked = 0;
      await page.route('**/storyboard-of-a-check/*.jpg', (route) => (asked++, route.fulfill({ contentType: 'image/jpeg', body: PIXEL })));
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}`);
      // hls.js goes to where it was told to begin once it has something to show, whatever was asked for meanwhile
      await visit.until('it can play', () => document.querySelector('.player video')?.readyState >= 3);
      const bar = page.getByRole('slider', { name: 'Position' });
      const picture = page.locator('.seek-picture');
      assert.equal(await picture.count(), 0, 'nothing is shown before one points');

      let { x, y, width, height } = await bar.boundingBox();
      await eventually('the picture under the pointer is shown', async () => {
        // what is above the bar may still find its size
        ({ x, y, width, height } = await bar.boundingBox());
        await page.mouse.move(x + width / 2, y + height / 2);
        return (await picture.count()) > 0;
      });
      const middle = (await film(visit, (v) => v.duration)) / 2;
      const shown = Number(/ (\d+),0$/.exec(await picture.getAttribute('data-at'))[1]) / 160;
      assert.equal(shown, Math.floor(middle / 5), `the picture of second ${middle}`);
      assert.ok(Math.abs(seconds(await page.locator('.seek-time').innerText()) - middle) <= 1);
      const preview = await page.locator('.seek-preview').boundingBox();
      const player = await page.locator('.player').boundingBox();
      for (const part of [0, 1]) {
        await page.mouse.move(x + 1 + part * (width - 2), y + height / 2);
        const box = await page.locator('.seek-preview').boundingBox();
        assert.ok(box.x >= player.x && box.x + box.width <= player.x + player.width, 'it stays inside of the player');
      }
      assert.ok(preview.y + preview.height <= y + height, 'it stands above the bar');
      await page.mouse.move(x + width / 2, player.y - 20);
      await picture.waitFor({ state: 'detached' });

      // a position between two of the bar's steps must not take a move back
      await film(visit, (v) => void (v.currentTime = 101.888));
      await visit.until('the bar is there', () => document.querySelector('.player .seek').value === '101.8');
      await bar.focus();
      await page.keyboard.press('End');
      await visit.until('the bar is at its end', () => Number(document.querySelector('.player .seek').value) > 120);
      await page.keyboard.press('Home');
      await visit.until('the picture of the beginning is shown', () => document.querySelector('.seek-picture[data-at="storyboard-1.jpg 0,0"]'));
      assert.ok(asked > 0, 'the picture is fetched');
    },
  },
  {
    name: 'without pictures the seek bar shows the time',
    async run(visit, { accounts, video }) {
      const { page } = visit;
      await page.route('**/playback', async (route) => {
        const answer = await route.fetch();
        await route.fulfill({ response: answer, json: { ...(await answer.json()), storyboard_url: '/storyboard-of-a-check/gone.vtt' } });
      });
      await page.route('**/storyboard-of-a-check/**', (route) => route.fulfill({ status: 404, body: 'gone' }));
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}`);
      await visit.until('the film is loaded', () => document.querySelector('.player video')?.duration > 100);
      await page.getByRole('slider', { name: 'Position' }).hover();
      await page.locator('.seek-time').waitFor();
      assert.equal(await page.locator('.seek-picture').count(), 0);
    },
  },
  {
    name: 'captions are as large and as clear as one likes, and stay so',
    async run(visit, { accounts, video }) {
      const { page } = visit;
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}?t=3`);
      await visit.until('it plays', () => document.querySelector('.player')?.dataset.state === 'playing');
      await page.keyboard.press('k');
      await page.getByRole('button', { name: 'Settings' }).click();
      const menu = page.getByRole('dialog', { name: 'Settings' });
      await menu.getByLabel('Captions').selectOption({ index: 1 });
      const line = page.locator('.caption p').first();
      await line.waitFor();
      const size = () => line.evaluate((p) => Number.parseFloat(getComputedStyle(p).fontSize));
      const medium = await size();
      await menu.getByLabel('Caption size').selectOption({ label: 'Very large' });
      await visit.until('they grow', (before) => Number.parseFloat(getComputedStyle(document.querySelector('.caption p')).fontSize) > before * 1.5, medium);
      await menu.getByLabel('Caption look').selectOption({ label: 'Outlined' });
      await page.keyboard.press('Escape');
      await menu.waitFor({ state: 'hidden' });
      await page.reload();
      await page.locator('.caption[data-size="huge"][data-look="outline"]').waitFor();
    },
  },
  {
    name: 'one goes on where one stopped, on another device, unless the address names a second',
    async run(visit, { url, course, video }) {
      const person = newAccount('Ruth of the checks');
      const { page } = visit;
      await visit.register(person);
      const api = await signedIn(url, person);
      await api(`/courses/${course.id}/enrollments`, { method: 'POST' });
      await visit.open(`/watch/${video.asset.id}`);
      await visit.until('the film is loaded', () => document.querySelector('.player video')?.readyState >= 3);
      assert.equal(await page.locator('.player-resumed').count(), 0, 'who has not begun is told nothing');
      await page.keyboard.press('k');
      await visit.until('it plays', () => document.querySelector('.player')?.dataset.state === 'playing');
      const told = page.waitForRequest((request) => request.url().endsWith('/position') && request.postDataJSON().at_s > 30);
      await page.keyboard.press('4');
      await visit.until('it plays there', () => {
        const v = document.querySelector('.player video');
        return v.currentTime > v.duration * 0.4 + 0.2;
      });
      await page.keyboard.press('k');
      await told;
      const at = await film(visit, (v) => v.currentTime);

      const device = await page.context().browser().newContext({ baseURL: url });
      try {
        const other = await device.newPage();
        await other.goto('/login');
        await other.getByLabel('Email').fill(person.email);
        await other.getByLabel('Password').fill(person.password);
        await other.getByRole('button', { name: 'Sign in' }).click();
        await other.getByRole('button', { name: /account of/ }).waitFor();
        await other.goto(`/watch/${video.asset.id}`);
        await other.locator('.player-resumed', { hasText: 'Where you stopped' }).waitFor();
        await other.waitForFunction((t) => Math.abs(document.querySelector('.player video').currentTime - t) < 2, at);
        assert.equal(await other.evaluate(() => document.querySelector('.player video').paused), true, 'it waits there');
        await other.getByRole('button', { name: 'From the beginning' }).click();
        await other.waitForFunction(() => document.querySelector('.player video').currentTime < 5);
        await other.locator('.player-resumed').waitFor({ state: 'detached' });
        await other.goto(`/watch/${video.asset.id}?t=7`);
        await other.waitForFunction(() => document.querySelector('.player video')?.currentTime >= 7);
        assert.ok((await other.evaluate(() => document.querySelector('.player video').currentTime)) < 15, 'the address goes before');
      } finally {
        await device.close();
      }
    },
  },
  {
    name: 'what is said is searched in the transcript, and the words are marked',
    async run(visit, { accounts, video }) {
      const { page } = visit;
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}`);
      await page.locator('.transcript li').first().waitFor();
      const all = await page.locator('.transcript li').count();
      const word = video.query.split(' ')[0];
      await page.getByLabel('Find in the transcript').fill(word.toUpperCase());
      await page.locator('.transcript mark').first().waitFor();
      const lines = page.locator('.transcript li button');
      assert.ok((await lines.count()) < all && (await lines.count()) > 0);
      assert.match(await page.locator('.transcript-count').innerText(), /^\d+ lines?$/);
      const wanted = seconds(await lines.first().locator('.transcript-time').innerText());
      await lines.first().click();
      await visit.until('the line is opened', (s) => Math.abs(document.querySelector('.player video').currentTime - s) < 3, wanted);
    },
  },
  {
    name: 'a video that is not ready says what is made of it, and opens by itself',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const [teacher, admin] = [await signedIn(url, accounts.instructor), await signedIn(url, accounts.admin)];
      const course = await teacher('/courses', { method: 'POST', body: { title: `Patience ${Date.now()}`, summary: '' } });
      await admin('/stages/transcode/pause', { method: 'PUT', body: { reason: 'a check of the waiting page' } });
      try {
        // a worker hears of the pause at its next sweep
        await eventually('transcoding is paused', async () => {
          const { hosts } = (await admin('/stages')).find((stage) => stage.stage === 'transcode');
          return hosts.every((host) => host.closed === 'paused');
        });
        const bytes = new Uint8Array(await readFile(new URL('silent.mp4', FIXTURES)));
        const video = await teacher(`/courses/${course.id}/assets?file_name=wait.mp4&title=Wait`, { method: 'POST', body: bytes });
        await visit.signIn(accounts.instructor);
        await visit.open(`/watch/${video.id}`);
        await page.locator('.making-what', { hasText: 'Preparing to play' }).waitFor();
        await page.getByText('Paused by').waitFor();
        await admin('/stages/transcode/pause', { method: 'DELETE' });
        await page.locator('.player video').waitFor({ timeout: 90_000 });
        await settled(teacher, video.id, 'published');
      } finally {
        await admin('/stages/transcode/pause', { method: 'DELETE' }).catch(() => undefined); // it is resumed already
      }
    },
  },
  {
    name: 'on a phone all of the player is within reach',
    context: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
    async run(visit, { accounts, video }) {
      const { page } = visit;
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}`);
      await visit.until('the film is loaded', () => document.querySelector('.player video')?.readyState >= 3);
      const player = await page.locator('.player').boundingBox();
      assert.ok(player.x >= 0 && player.x + player.width <= 360, 'as wide as the phone');
      for (const button of await page.locator('.player .controls button:visible').all()) {
        const box = await button.boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= 360, `${await button.getAttribute('aria-label')} is on the screen`);
        assert.ok(box.width >= 24 && box.height >= 24, 'large enough for a finger');
      }
      await page.getByRole('button', { name: 'Settings' }).tap();
      const sheet = page.getByRole('dialog', { name: 'Settings' });
      await sheet.waitFor();
      const box = await sheet.boundingBox();
      assert.ok(box.x === 0 && box.width === 360 && Math.abs(box.y + box.height - 740) <= 1, `a sheet from below: ${JSON.stringify(box)}`);
      await sheet.getByLabel('Speed').selectOption({ label: '1.25 ×' });
      await sheet.getByRole('button', { name: 'Close' }).tap();
      assert.equal(await film(visit, (v) => v.playbackRate), 1.25);
      await page.locator('.speed-now', { hasText: '1.25×' }).waitFor();
    },
  },
];

function clock(second) {
  return `${String(Math.floor(second / 60)).padStart(2, '0')}:${String(second % 60).padStart(2, '0')}.000`;
}

function seconds(text) {
  return text.split(':').reduce((total, part) => total * 60 + Number(part), 0);
}
