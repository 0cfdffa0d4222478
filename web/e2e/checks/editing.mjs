/** An instructor corrects captions, names chapters and looks at the picture, beside the film. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { eventually, ownRecording, settled, signedIn } from '../world.mjs';

export const checks = [
  {
    name: 'captions are corrected beside the film, and learners and search have the new words',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const api = await signedIn(url, accounts.instructor);
      const { video, captions } = await ownRecording(api);
      await visit.signIn(accounts.instructor);
      await visit.open(`/edit/${video.id}`);
      const cues = page.locator('.cue');
      await cues.first().waitFor();
      assert.equal(await cues.count(), 2);
      const save = page.getByRole('button', { name: 'Save captions' });
      assert.equal(await save.isDisabled(), true, 'nothing is changed yet');

      const words = cues.first().locator('textarea');
      await words.fill('The quarrion is a bird.');
      await words.evaluate((box) => box.setSelectionRange(12, 12));
      await words.press('Enter');
      await visit.until('Enter splits the cue at the caret', () => document.querySelectorAll('.cue').length === 3);
      assert.deepEqual(await page.locator('.cue textarea').evaluateAll((all) => all.slice(0, 2).map((box) => box.value)), ['The quarrion', 'is a bird.']);
      await cues.nth(0).locator('textarea').focus();
      await cues.nth(0).getByRole('button', { name: 'Join next' }).click();
      assert.equal(await words.inputValue(), 'The quarrion is a bird.');
      await page.getByRole('button', { name: 'Undo' }).click();
      assert.equal(await cues.count(), 3, 'what was joined is apart again');
      await page.getByRole('button', { name: 'Redo' }).click();

      const start = page.getByLabel('Start of the cue at 0:01');
      await start.fill('0:01.500');
      await start.press('Enter');
      await page.getByLabel('Name in the menu').fill('English, checked');
      await page.getByLabel('Language').selectOption({ label: 'English' });
      await page.getByLabel(/Tells sounds, too/).check();
      await visit.shot('caption-editor');
      await save.click();
      await page.getByText('Saved.').waitFor();
      assert.equal(await save.isDisabled(), true);

      const finds = async (word) => (await api(`/search?q=${word}`)).items.some((hit) => hit.url.startsWith(`/watch/${video.id}`) && hit.snippet.includes('<mark>'));
      await eventually('search finds the new word', async () => await finds('quarrion'));
      assert.equal(await finds('zibbelin'), false, 'and the old one no more');
      await visit.open(`/watch/${video.id}`);
      await page.locator('.transcript li', { hasText: 'The quarrion is a bird.' }).waitFor();
      assert.equal(await page.locator('.transcript li', { hasText: 'zibbelin' }).count(), 0);
      const shown = await api(`/assets/${captions.id}/captions`);
      assert.deepEqual([shown.label, shown.language, shown.sdh, shown.cues[1].start_s], ['English, checked', 'en', true, 1.5]);
    },
  },
  {
    name: 'what is wrong with captions is said at the cue, and what cannot be is not saved',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const { video } = await ownRecording(await signedIn(url, accounts.instructor));
      await visit.signIn(accounts.instructor);
      await visit.open(`/edit/${video.id}`);
      const [first, second] = [page.locator('.cue').nth(0), page.locator('.cue').nth(1)];
      const save = page.getByRole('button', { name: 'Save captions' });
      await first.locator('textarea').fill('So many words that nobody can read them in the little time that there is for all of them.');
      await first.getByText('Too fast to read').waitFor();
      assert.equal(await save.isDisabled(), false, 'that is advice');
      const end = first.getByLabel(/^End of the cue/);
      await end.fill('0:02.000');
      await end.press('Enter');
      await first.getByText('It overlaps the next one by 0.6 s.').waitFor();
      await second.locator('textarea').fill('');
      await second.getByText('There are no words in it.').waitFor();
      assert.equal(await save.isDisabled(), true, 'that stops it');
      await page.getByRole('button', { name: '2 cues to look at' }).click();
      assert.ok(await page.evaluate(() => document.activeElement.matches('.cue textarea')), 'the button goes to the next one');
      await second.locator('textarea').focus();
      await second.getByRole('button', { name: 'Remove' }).click();
      assert.equal(await page.locator('.cue').count(), 1);
      assert.equal(await save.isDisabled(), false);
      await first.getByLabel(/^Start of the cue/).fill('soon');
      await first.locator('textarea').focus();
      assert.equal(await first.getByLabel(/^Start of the cue/).inputValue(), '0:00.200', 'what is no time is put back');
    },
  },
  {
    name: 'captions that somebody else saved meanwhile are not overwritten, and what was typed stays',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const api = await signedIn(url, accounts.instructor);
      const { video, captions } = await ownRecording(api);
      await visit.signIn(accounts.instructor);
      await visit.open(`/edit/${video.id}`);
      await page.locator('.cue textarea').first().fill('My own words.');
      const { auto: _, ...theirs } = await api(`/assets/${captions.id}/captions`);
      await api(`/assets/${captions.id}/captions`, { method: 'PUT', headers: { 'if-match': '*' }, body: { ...theirs, label: 'Theirs' } });
      await page.getByRole('button', { name: 'Save captions' }).click();
      await page.getByRole('alert').getByText('version_conflict').waitFor();
      assert.equal(await page.locator('.cue textarea').first().inputValue(), 'My own words.');
      assert.equal((await api(`/assets/${captions.id}/captions`)).label, 'Theirs');
    },
  },
  {
    name: 'captions begin beside the film where there are none',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const api = await signedIn(url, accounts.instructor);
      const { course } = await ownRecording(api);
      await visit.signIn(accounts.instructor);
      const lone = await loneVideo(api, course.id);
      await visit.open(`/edit/${lone}`);
      await page.getByRole('button', { name: 'Begin captions' }).click();
      await page.getByRole('button', { name: /^Cue at/ }).click();
      await page.locator('.cue textarea').fill('A first word, a trambeline.');
      await page.getByRole('button', { name: 'Save captions' }).click();
      await page.getByLabel('Language').waitFor();
      assert.equal(await page.locator('.cue textarea').inputValue(), 'A first word, a trambeline.');
    },
  },
  {
    name: 'chapters are added at the playhead, named, moved, removed, and shown to viewers',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const api = await signedIn(url, accounts.instructor);
      const { video } = await ownRecording(api);
      await visit.signIn(accounts.instructor);
      await visit.open(`/edit/${video.id}?part=chapters`);
      await visit.until('the film is loaded', () => document.querySelector('.player video')?.duration > 2);
      await page.getByRole('button', { name: 'Chapter at 0:00' }).click();
      await page.keyboard.type('The shore');
      await page.locator('.player video').evaluate((v) => (v.currentTime = 2));
      await page.getByRole('button', { name: 'Chapter at 0:02' }).click();
      await page.keyboard.type('The sea');
      const start = page.getByLabel('Start of chapter 2');
      await start.fill('0:01.250');
      await start.press('Enter');
      await page.locator('.seek-mark').waitFor();
      await page.getByRole('button', { name: 'Save chapters' }).click();
      await page.getByText('Saved.').waitFor();
      assert.deepEqual((await api(`/assets/${video.id}/chapters`)).chapters, [
        { start_s: 0, title: 'The shore' },
        { start_s: 1.25, title: 'The sea' },
      ]);
      await page.getByRole('button', { name: 'Remove chapter 1' }).click();
      await page.getByRole('button', { name: 'Save chapters' }).click();
      await page.getByText('Saved.').waitFor();
      await eventually('it is gone', async () => (await api(`/assets/${video.id}/playback`)).chapters.length === 1);
      await page.getByRole('button', { name: 'Picture' }).click();
      await page.locator('.poster img').first().waitFor();
      assert.ok((await page.getByRole('radio', { name: 'Picture 1' }).count()) === 1);
    },
  },
  {
    name: 'who does not teach a course is shown no editor',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      await visit.open(`/watch/${video.asset.id}`);
      await visit.page.locator('.player').waitFor();
      assert.equal(await visit.page.getByRole('link', { name: /Captions, chapters/ }).count(), 0);
      await visit.open(`/edit/${video.asset.id}`);
      await visit.page.getByRole('heading', { level: 1 }).waitFor();
      assert.equal(await visit.page.locator('.edit, .cue').count(), 0);
    },
  },
];

/** A second video of the course, of other bytes, to which no captions belong. */
async function loneVideo(api, course) {
  const bytes = new Uint8Array(await readFile(new URL('../../../tests/fixtures/silent.mp4', import.meta.url)));
  const { id } = await api(`/courses/${course}/assets?file_name=lone.mp4&title=Lone`, { method: 'POST', body: bytes });
  await settled(api, id, 'published');
  return id;
}
