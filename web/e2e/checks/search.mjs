/** Search as one types, and who does not find what. */
import assert from 'node:assert/strict';
import { newAccount } from '../world.mjs';

export const checks = [
  {
    name: 'search finds the place while one types, and marks the words',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      await visit.search(video.query);
      const hit = visit.page.locator(`a.hit[href^="/watch/${video.asset.id}?t="]`).first();
      await hit.waitFor();
      assert.match(await hit.locator('.place').innerText(), /^\d+:\d\d/, 'a time as the label');
      assert.ok((await visit.page.locator('.hit-snippet mark').count()) > 0, 'marked words');
      assert.match(await visit.page.getByRole('status').first().innerText(), /\d+ results? for/);
      await visit.shot('search');
    },
  },
  {
    name: 'nonsense is answered with hits or by saying that there are none',
    async run(visit, { accounts }) {
      await visit.signIn(accounts.learner);
      await visit.search('zzqxv wkjhgf');
      // a search by meaning always finds something near; then there are hits, and no empty state
      const nothing = visit.page.getByText('Nothing found for');
      const something = visit.page.locator('a.hit').first();
      await nothing.or(something).first().waitFor();
    },
  },
  {
    name: 'a server that does not answer is an error with a way on, not an empty list',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      let broken = true;
      await visit.page.route('**/api/v1/search?**', (route) => (broken ? route.abort() : route.continue()));
      await visit.search(video.query);
      await visit.page.getByRole('alert').getByText('The server did not answer').waitFor();
      broken = false;
      await visit.page.getByRole('button', { name: 'Try again' }).click();
      await visit.page.locator('a.hit').first().waitFor();
    },
  },
  {
    name: 'when only words can be searched, the page says so',
    async run(visit, { accounts, video }) {
      await visit.signIn(accounts.learner);
      await visit.page.route('**/api/v1/search?**', async (route) => {
        const answer = await route.fetch();
        await route.fulfill({ response: answer, json: { ...(await answer.json()), mode: 'lexical', mode_reason: 'the model is missing' } });
      });
      await visit.search(video.query);
      await visit.page.getByText('Searching by words only, not by meaning: the model is missing').waitFor();
    },
  },
  {
    name: 'Back from a hit finds the same list again',
    async run(visit, { accounts, pdf }) {
      await visit.signIn(accounts.learner);
      await visit.search(pdf.query);
      await visit.page.locator('a.hit').first().click();
      await visit.page.waitForURL(/\/(read|watch)\//);
      await visit.page.goBack();
      await visit.page.locator('a.hit').first().waitFor();
      assert.equal(await visit.page.getByRole('searchbox', { name: 'Search your courses' }).inputValue(), pdf.query);
    },
  },
  {
    name: 'a learner who is not enrolled finds nothing of the course, and its pages do not exist for them',
    async run(visit, { course, video, pdf }) {
      await visit.register(newAccount('Not Enrolled'));
      await visit.search(video.query);
      await visit.page.getByText('Nothing found for').waitFor();
      assert.equal(await visit.page.locator('a.hit').count(), 0);
      for (const path of [`/watch/${video.asset.id}`, `/read/${pdf.asset.id}`]) {
        await visit.open(path);
        await visit.page.getByRole('heading', { name: 'Not found' }).waitFor();
      }
      await visit.open(`/courses/${course.id}`);
      await visit.page.getByRole('button', { name: `Enrol in ${course.title}` }).waitFor();
      assert.equal(await visit.page.locator('.asset-link').count(), 0, 'the outline names lessons, and opens nothing');
    },
  },
];
