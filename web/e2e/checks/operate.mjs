/** The operator's page. */
import assert from 'node:assert/strict';

export const checks = [
  {
    name: 'an operator sees the stages and the jobs, and can look at one stage',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.admin);
      await visit.open('/operate');
      await page.locator('.stage-card').first().waitFor();
      await page.locator('.jobs tbody tr').first().waitFor();
      await visit.shot('operate');
      await page.locator('.stage-card', { hasText: 'publish' }).click();
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
    name: 'the page is not for learners',
    async run(visit, { accounts }) {
      await visit.signIn(accounts.learner);
      assert.equal(await visit.page.getByRole('link', { name: 'Operate' }).count(), 0);
      await visit.open('/operate');
      await visit.page.getByRole('heading', { name: 'Not for this account' }).waitFor();
    },
  },
];
