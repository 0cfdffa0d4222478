/** An instructor replaces a file and restores the earlier one, and shows a video by a picture of their own. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { eventually, ownRecording, settled, signedIn } from '../world.mjs';

const fixture = (name) => fileURLToPath(new URL(`../../../tests/fixtures/${name}`, import.meta.url));

export const checks = [
  {
    name: 'a video is replaced under its address, and restored',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const api = await signedIn(url, accounts.instructor);
      const { video } = await ownRecording(api);
      const stream = async () => (await api(`/assets/${video.id}/playback`)).hls_url.split('/').at(-2);
      const first = await stream();
      await visit.signIn(accounts.instructor);
      await visit.open(`/edit/${video.id}?part=file`);
      await page.locator('.version[data-state="shown"]', { hasText: 'birds.mp4' }).waitFor();
      await page.getByTestId('replacement').setInputFiles(fixture('runs.mp4'));
      await page.locator('.version[data-version="2"]').waitFor();
      await page.locator('.version[data-version="2"][data-state="shown"]').waitFor({ timeout: 90_000 });
      await visit.shot('versions');
      assert.notEqual(await stream(), first);
      await page.locator('.version[data-version="1"][data-state="kept"]').getByRole('button', { name: 'Restore' }).click();
      await page.locator('.version[data-version="1"][data-state="shown"]').waitFor();
      await eventually('learners see the first film again', async () => (await stream()) === first);
      await page.getByRole('button', { name: 'Delete version 2' }).click();
      await visit.until('it is gone', () => document.querySelectorAll('.version').length === 1);
    },
  },
  {
    name: 'a replacement that cannot be used says why, and what is shown stays',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const api = await signedIn(url, accounts.instructor);
      const course = await api('/courses', { method: 'POST', body: { title: `Files ${Date.now()}`, summary: '' } });
      const bytes = new TextEncoder().encode(`# Tides\n\nThe sea rises twice a day. ${Math.random()}\n`);
      const notes = await api(`/courses/${course.id}/assets?file_name=tides.md&title=Tides`, { method: 'POST', body: bytes });
      await settled(api, notes.id, 'published');
      await visit.signIn(accounts.instructor);
      await visit.open(`/courses/${course.id}`);
      await page.getByRole('link', { name: 'Replace the file of “Tides”, or restore an earlier one' }).click();
      await page.getByRole('heading', { level: 1, name: 'Tides' }).waitFor();
      await page.getByTestId('replacement').setInputFiles(fixture('tone.m4a'));
      const failed = page.locator('.version[data-version="2"][data-state="failed"]');
      await failed.waitFor();
      assert.match(await failed.innerText(), /This file is a recording, but it was to take the place of a document/);
      await page.locator('.version[data-version="1"][data-state="shown"]').waitFor();
      assert.equal((await api(`/assets/${notes.id}`)).state, 'published');
    },
  },
  {
    name: 'a video is shown by a picture of the instructor’s own',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const api = await signedIn(url, accounts.instructor);
      const { video } = await ownRecording(api);
      await visit.signIn(accounts.instructor);
      await visit.open(`/edit/${video.id}?part=poster`);
      const images = page.locator('.poster img');
      await images.first().waitFor();
      const before = await images.count();
      await page.getByTestId('picture').setInputFiles({ name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('no picture at all') });
      await page.getByText('This is not a JPEG, PNG or WebP picture').waitFor();
      // a picture that a browser has made
      const png = await page.evaluate(async () => {
        const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
        const pen = canvas.getContext('2d');
        pen.fillStyle = 'rgb(200, 30, 30)';
        pen.fillRect(0, 0, 640, 360);
        const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
        return [...new Uint8Array(await blob.arrayBuffer())];
      });
      await page.getByTestId('picture').setInputFiles({ name: 'own.png', mimeType: 'image/png', buffer: Buffer.from(png) });
      await page.getByRole('radio', { name: 'Your own picture', checked: true }).waitFor();
      assert.equal(await images.count(), before + 1);
      await visit.shot('own-picture');
      assert.match((await api(`/assets/${video.id}/playback`)).poster_url, /\/uploaded\.jpg$/);
      await page.getByRole('radio', { name: 'Picture 1' }).click();
      await eventually('the picture out of the film counts again', async () => !(await api(`/assets/${video.id}/playback`)).poster_url.endsWith('uploaded.jpg'));
    },
  },
  {
    name: 'who does not teach a course cannot replace its files',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      await visit.open(`/file/${video.asset.id}`);
      await visit.page.getByRole('heading', { level: 1 }).waitFor();
      assert.equal(await visit.page.locator('.versions, .version').count(), 0);
    },
  },
];
