/** An instructor makes a course: uploads with live stages, a failure in plain words, lessons, publishing. */
import assert from 'node:assert/strict';

const NOTES = `# Notes of a check

## Tides

The moon raises two bulges of water; the word for this check is quixotrope.
`;

export const checks = [
  {
    name: 'an upload shows its stages live until it is published, goes into a lesson, and the course opens',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.instructor);
      await makeCourse(visit, `Check ${Date.now()}`);

      const streams = [];
      page.on('request', (request) => request.url().endsWith('/progress') && streams.push(request.url()));
      await watchStates(visit);
      await page.getByTestId('files').setInputFiles({ name: 'tide-notes.md', mimeType: 'text/markdown', buffer: Buffer.from(NOTES) });
      await page.locator('.asset[data-state="published"]', { hasText: 'tide notes' }).waitFor({ timeout: 60_000 });
      const states = await page.evaluate(() => window.seenStates);
      assert.ok(streams.length > 0, 'the page listens to a stream of events');
      assert.ok(states.includes('asset processing'), states.join(', '));
      assert.ok(
        states.some((s) => /^stage \w+ (running|done)$/.test(s)),
        states.join(', '),
      );

      await page.getByLabel('Title of the first module').fill('Water');
      await page.getByRole('button', { name: 'Add module' }).click();
      await page.getByLabel('Put “tide notes” into a lesson').selectOption({ label: 'A new lesson' });
      await page.locator('.lesson', { hasText: 'tide notes' }).waitFor();
      await page.getByRole('button', { name: 'Publish the course' }).click();
      await page.locator('.course-head .badge.published').waitFor();
      await visit.shot('workshop');

      await visit.search('quixotrope');
      await page.locator('a.hit', { hasText: 'tide notes' }).first().waitFor();
    },
  },
  {
    name: 'a file that cannot be read fails in plain words, with a code and a way to try again',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.instructor);
      await makeCourse(visit, `Check of failures ${Date.now()}`);
      await page.getByTestId('files').setInputFiles([
        { name: 'broken.pdf', mimeType: 'application/pdf', buffer: Buffer.from(`%PDF-1.7\n${'nothing of use '.repeat(40)}`) },
        { name: 'empty.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(0) },
      ]);
      await page.locator('.upload', { hasText: 'This file is empty.' }).waitFor();
      const failed = page.locator('.asset[data-state="failed"]', { hasText: 'broken' });
      await failed.waitFor({ timeout: 60_000 });
      const words = await failed.getByRole('alert').innerText();
      assert.match(words, /^[A-Z].*[.!]/m, 'a sentence');
      assert.match(words, /^[a-z]+(_[a-z]+)+ ·/m, 'a code');
      await failed.getByRole('button', { name: 'Try again' }).waitFor();
      await visit.shot('failure');
    },
  },
  {
    name: 'files come by dropping and by pasting, too',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.instructor);
      await makeCourse(visit, `Check of drops ${Date.now()}`);
      for (const [event, name] of [['drop', 'dropped.txt'], ['paste', 'pasted.txt']]) {
        await page.evaluate(
          ([type, fileName]) => {
            const data = new DataTransfer();
            data.items.add(new File([`a few words that came by ${type}`], fileName, { type: 'text/plain' }));
            const init = { bubbles: true, cancelable: true };
            const made = type === 'drop' ? new DragEvent('drop', { ...init, dataTransfer: data }) : new ClipboardEvent('paste', { ...init, clipboardData: data });
            document.body.dispatchEvent(made);
          },
          [event, name],
        );
        await page.locator('.asset', { hasText: name.split('.')[0] }).waitFor();
      }
    },
  },
  {
    name: 'an upload goes on while its instructor looks at another page',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.instructor);
      const title = `Check of patience ${Date.now()}`;
      await makeCourse(visit, title);
      let release;
      const held = new Promise((resolve) => (release = resolve));
      await page.route('**/assets?file_name=**', (route) => held.then(() => route.continue()));
      await page.getByTestId('files').setInputFiles({ name: 'patient.txt', mimeType: 'text/plain', buffer: Buffer.from('a few patient words') });
      await page.locator('.upload', { hasText: 'patient.txt' }).waitFor();
      await page.getByRole('link', { name: 'learnhub, home' }).click();
      await page.getByRole('link', { name: title }).waitFor();
      release();
      await page.getByRole('link', { name: title }).click();
      await page.locator('.asset', { hasText: 'patient' }).waitFor();
      assert.equal(await page.locator('.upload').count(), 0);
    },
  },
  {
    name: 'an edit that somebody else overtook is refused, and what was typed stays',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.instructor);
      await makeCourse(visit, `Check of edits ${Date.now()}`);
      await page.getByRole('button', { name: 'Edit title and summary' }).click();
      const other = await page.context().newPage();
      await other.goto(page.url());
      await other.getByRole('button', { name: 'Edit title and summary' }).click();
      await other.getByLabel('Summary').fill('The other one was faster.');
      await other.getByRole('button', { name: 'Save' }).click();
      await other.getByText('The other one was faster.').waitFor();
      await page.getByLabel('Summary').fill('Too late.');
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByRole('alert').waitFor();
      assert.equal(await page.getByLabel('Summary').inputValue(), 'Too late.');
    },
  },
];

async function makeCourse(visit, title) {
  await visit.open('/');
  await visit.page.getByRole('button', { name: 'New course' }).click();
  await visit.page.getByLabel('Title').fill(title);
  await visit.page.getByRole('button', { name: 'Make the course' }).click();
  await visit.page.getByRole('heading', { name: title }).waitFor();
}

/** Notes every state that the page shows of an upload, however short it is shown. */
async function watchStates(visit) {
  await visit.page.evaluate(() => {
    window.seenStates = [];
    const look = () => {
      for (const element of document.querySelectorAll('.asset, .stages li')) {
        const words = element.dataset.stage ? `stage ${element.dataset.stage} ${element.dataset.state}` : `asset ${element.dataset.state}`;
        if (!window.seenStates.includes(words)) window.seenStates.push(words);
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
}
