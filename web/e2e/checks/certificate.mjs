/** A new learner joins, finishes, and holds a certificate that a stranger can verify. */
import assert from 'node:assert/strict';
import { newAccount } from '../world.mjs';

export const checks = [
  {
    name: 'a learner who completes every lesson gets a certificate, and anybody can verify it',
    async run(visit, { course }) {
      const { page } = visit;
      const learner = newAccount('Zoë Ångström');
      await visit.register(learner);
      await page.getByRole('button', { name: `Enrol in ${course.title}` }).click();
      await page.waitForURL(`**/courses/${course.id}`);
      const lessons = course.modules.flatMap((module) => module.lessons);
      for (const lesson of lessons) {
        await page.getByRole('button', { name: `Mark as complete: ${lesson.title}` }).first().click();
        await page.locator(`#lesson-${lesson.id}`).getByText('Completed', { exact: true }).waitFor();
      }
      await page.getByText('You finished the course.').waitFor();
      await visit.shot('finished');

      await page.getByRole('link', { name: 'See your certificate' }).first().click();
      await page.getByRole('heading', { name: course.title }).waitFor();
      const download = page.getByRole('link', { name: 'Download PDF' });
      await download.waitFor({ timeout: 60_000 });
      await visit.shot('certificates');
      const bytes = Buffer.from(await page.evaluate(async (link) => [...new Uint8Array(await (await fetch(link)).arrayBuffer())], await download.getAttribute('href')));
      assert.equal(bytes.subarray(0, 5).toString(), '%PDF-');

      const address = await page.getByRole('link', { name: 'Public page' }).getAttribute('href');
      await page.context().clearCookies();
      await page.evaluate(() => localStorage.clear());
      await visit.open(address);
      await page.getByText('This certificate is valid').waitFor();
      await page.getByText(learner.name).waitFor();
      await visit.shot('verify');

      const choose = (name, buffer) => page.getByLabel('Certificate PDF').setInputFiles({ name, mimeType: 'application/pdf', buffer });
      await choose('mine.pdf', bytes);
      await page.getByText('This PDF is genuine and unchanged').waitFor();
      const forged = Buffer.from(bytes);
      forged[forged.length >> 1] ^= 1;
      await choose('forged.pdf', forged);
      await page.getByText(/This PDF (was changed|is not one of ours)/).waitFor();
    },
  },
  {
    name: 'a number that was never issued is not valid',
    async run(visit) {
      await visit.open('/verify/019f0000-0000-7000-8000-00000000dead');
      await visit.page.getByText('There is no such certificate').waitFor();
      assert.equal(await visit.page.getByText('This certificate is valid').count(), 0);
    },
  },
];
