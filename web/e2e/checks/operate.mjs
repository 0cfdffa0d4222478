/** The operator's page. */
import assert from 'node:assert/strict';
import { brokenUpload, signedIn } from '../world.mjs';

/** A stage in which nothing waits while the checks run, so that pausing it holds nobody up. */
const QUIET = 'certify';

export const checks = [
  {
    name: 'an operator sees the stages and the jobs, and can look at one stage',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.admin);
      await visit.open('/operate');
      await page.locator('.stage-panel').first().waitFor();
      await page.locator('.jobs tbody tr').first().waitFor();
      await visit.shot('operate');
      await page.locator('.stage-panel').getByRole('button', { name: 'publish', exact: true }).click();
      await page.waitForURL(/stage=publish/);
      await visit.until('only that stage is listed', () => {
        const rows = [...document.querySelectorAll('.jobs tbody tr')];
        return rows.length > 0 && rows.every((row) => row.textContent.includes('publish'));
      });
      await page.locator('.jobs tbody button.link').first().click();
      await page.locator('.job-detail').waitFor();
    },
  },
  {
    name: 'a stage is paused with a reason, says by whom, and resumes',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const admin = await signedIn(url, accounts.admin);
      const { name } = await admin('/me');
      await visit.signIn(accounts.admin);
      await visit.open('/operate');
      const panel = page.locator(`.stage-panel[data-stage="${QUIET}"]`);
      await panel.getByRole('button', { name: `Pause ${QUIET}` }).click();
      await page.keyboard.type('the printer is out of paper');
      await page.keyboard.press('Enter');
      const notice = panel.locator('.paused');
      await notice.waitFor();
      const words = await notice.textContent();
      assert.ok(words.includes(name) && words.includes('the printer is out of paper'), words);
      await visit.shot('operate-paused');
      await notice.getByRole('button', { name: `Resume ${QUIET}` }).click();
      await notice.waitFor({ state: 'detached' });
      const stage = (await admin('/stages')).find((view) => view.stage === QUIET);
      assert.deepEqual(stage.pauses, []);
    },
  },
  {
    name: 'how many jobs run at a time is set on the page and felt by the server',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const admin = await signedIn(url, accounts.admin);
      const concurrency = async () => (await admin('/stages')).find((view) => view.stage === QUIET).concurrency;
      const before = await concurrency();
      await visit.signIn(accounts.admin);
      await visit.open('/operate');
      const panel = page.locator(`.stage-panel[data-stage="${QUIET}"]`);
      await panel.getByRole('button', { name: `More ${QUIET} jobs at the same time` }).click();
      await panel.getByText(`${before + 1} at a time`).waitFor();
      assert.equal(await concurrency(), before + 1);
      await admin(`/settings/stages.${QUIET}.concurrency`, { method: 'DELETE' });
    },
  },
  {
    name: 'a dead letter says why, and is taken up again after the page has said how many that are',
    async run(visit, { accounts, url }) {
      const { page } = visit;
      const { asset, failure } = await brokenUpload(await signedIn(url, accounts.instructor));
      const admin = await signedIn(url, accounts.admin);
      const [dead] = (await admin(`/jobs?state=dead&asset_id=${asset.id}`)).items;
      await visit.signIn(accounts.admin);
      await visit.open('/operate');
      const group = page.locator(`.dead-group[data-code="${failure.code}"]`);
      await group.getByRole('button', { expanded: false }).first().click();
      const letter = group.locator(`[data-job="${dead.id}"]`);
      await letter.waitFor();
      const words = await group.textContent();
      assert.ok(words.toLowerCase().includes(failure.reason.toLowerCase()), `${words} lacks ${failure.reason}`);
      assert.ok((await letter.textContent()).includes(dead.input_sha256), 'the input is named');
      await visit.shot('operate-dead');
      await group.getByRole('button', { name: /^Retry( all like this)?$/ }).first().click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('heading', { name: /^\d+ jobs? will be queued again$/ }).waitFor();
      assert.equal((await admin(`/jobs/${dead.id}`)).attempt, dead.attempt, 'nothing happens before a person says yes');
      await dialog.getByRole('button', { name: /^Queue \d+ jobs? again$/ }).click();
      await page.getByText(/jobs? queued again\./).waitFor();
      for (const started = Date.now(); (await admin(`/jobs/${dead.id}`)).attempt === dead.attempt; ) {
        assert.ok(Date.now() - started < 60_000, 'the job was not tried again');
      }
    },
  },
  {
    name: 'an instructor sees the jobs of own courses, and nothing of hosts',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.instructor);
      await visit.open('/operate');
      await page.locator('.stage-card').first().waitFor();
      assert.equal(await page.locator('.stage-panel, .host').count(), 0);
    },
  },
  {
    name: 'the page is not for learners',
    async run(visit, { accounts }) {
      await visit.signIn(accounts.learner);
      assert.equal(await visit.page.getByRole('link', { name: 'Operate' }).count(), 0);
      await visit.open('/operate');
      await visit.page.getByRole('heading', { name: 'Not for this account' }).waitFor();
    },
  },
];
