/** From a hit to the page: the PDF opens there, its words are over its picture, and it can be read as text. */
import assert from 'node:assert/strict';

export const checks = [
  {
    name: 'a document hit opens the PDF at its page, with the words marked',
    async run(visit, { accounts, pdf }) {
      await visit.signIn(accounts.learner);
      await visit.search(pdf.query);
      const hit = visit.page.locator(`a.hit[href="/read/${pdf.asset.id}?page=${pdf.page}"]`).first();
      await hit.waitFor();
      assert.equal(await hit.locator('.place').innerText(), `page ${pdf.page}`);
      await hit.click();
      await visit.page.locator(`.pdf[data-page="${pdf.page}"] [data-drawn="true"]`).waitFor();
      const drawn = await visit.page.locator('.pdf-paper canvas').evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value, i) => i % 4 !== 3 && value < 200);
      });
      assert.ok(drawn, 'there is ink on the page');
      assert.ok((await visit.page.locator('.pdf-text mark').count()) > 0, 'found words are marked');
      await visit.shot('read-pdf');
    },
  },
  {
    name: 'pages are turned by buttons, keys and number, and the address follows',
    async run(visit, { accounts, pdf }) {
      await visit.signIn(accounts.learner);
      await visit.open(`/read/${pdf.asset.id}?page=1`);
      await visit.page.locator('[data-page="1"] [data-drawn="true"]').waitFor();
      await visit.page.getByRole('button', { name: 'Next page' }).click();
      await visit.page.locator('[data-page="2"] [data-drawn="true"]').waitFor();
      assert.match(visit.page.url(), /page=2/);
      await visit.page.locator('.pdf-frame').focus();
      await visit.page.keyboard.press('ArrowLeft');
      await visit.page.locator('[data-page="1"] [data-drawn="true"]').waitFor();
      await visit.page.getByLabel(/^Page, 1 to/).fill('2');
      await visit.page.keyboard.press('Enter');
      await visit.page.locator('[data-page="2"] [data-drawn="true"]').waitFor();
    },
  },
  {
    name: 'a PDF can be read as text, at the same page',
    async run(visit, { accounts, pdf }) {
      await visit.signIn(accounts.learner);
      await visit.open(`/read/${pdf.asset.id}?page=${pdf.page}`);
      await visit.page.getByRole('button', { name: 'Show as text' }).click();
      await visit.page.locator('.passage.target').waitFor();
      await visit.page.getByText(`Page ${pdf.page}`, { exact: true }).waitFor();
    },
  },
  {
    name: 'another document opens at its passage',
    async run(visit, { accounts, api, course }) {
      const assets = course.modules.flatMap((module) => module.lessons.flatMap((lesson) => lesson.assets));
      const text = assets.find((a) => a.kind === 'document' && a.media_type !== 'application/pdf');
      assert.ok(text, 'the course has a document that is no PDF');
      const { items } = await api(`/assets/${text.id}/chunks?limit=100`);
      const last = items.at(-1).ordinal;
      await visit.signIn(accounts.learner);
      await visit.open(`/read/${text.id}?chunk=${last}`);
      const target = visit.page.locator(`.passage.target[data-chunk="${last}"]`);
      await target.waitFor();
      await visit.until('the passage is in sight', () => {
        const { top, bottom } = document.querySelector('.passage.target').getBoundingClientRect();
        return top < innerHeight && bottom > 0;
      });
      await visit.shot('read-text');
    },
  },
];
