/** Everything a learner needs, with no mouse. */
import assert from 'node:assert/strict';

export const checks = [
  {
    name: 'with keys alone one signs in, searches, watches and comes back',
    async run(visit, { accounts, video }) {
      const { page } = visit;
      const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
      await visit.open('/login');
      await page.getByLabel('Password').waitFor();
      await press('Tab');
      assert.equal(await focusedText(visit), 'Skip to the content', 'the skip link comes first');
      await press('Enter', 'Tab');
      await page.keyboard.type(accounts.learner.email);
      await press('Tab');
      await page.keyboard.type(accounts.learner.password);
      await press('Enter');
      await page.getByRole('searchbox', { name: 'Search your courses' }).waitFor();

      await tabTo(visit, 'Search your courses');
      await page.keyboard.type(video.query);
      const hit = page.locator(`a.hit[href^="/watch/${video.asset.id}?t="]`);
      await hit.first().waitFor();
      await page.locator('section[aria-label="Results"][aria-busy="false"]').waitFor();
      await press('ArrowDown');
      assert.ok(await page.evaluate(() => document.activeElement.matches('a.hit')), '↓ goes to the first hit');
      await press('ArrowUp');
      assert.ok(await page.evaluate(() => document.activeElement.matches('input[type=search]')), '↑ comes back');
      await press('ArrowDown', 'Escape');
      assert.ok(await page.evaluate(() => document.activeElement.matches('input[type=search]')), 'Escape comes back');
      await press('Enter');
      await visit.until('Enter goes to the first hit', () => document.activeElement.matches('a.hit'));
      for (let i = 0; i < 30 && !(await page.evaluate((id) => document.activeElement.href.includes(`/watch/${id}`), video.asset.id)); i++) await press('ArrowDown');
      await press('Enter');
      await visit.until('it plays', () => document.querySelector('.player')?.dataset.state === 'playing');
      assert.equal(await page.evaluate(() => document.activeElement.id), 'main', 'the new page has the focus');
      await press(' ');
      await visit.until('space pauses', () => document.querySelector('.player video').paused);

      await tabTo(visit, 'Find in the transcript');
      await press('Tab', 'ArrowDown');
      const line = Number(await page.evaluate(() => document.activeElement.querySelector('.transcript-time').textContent.split(':').reduce((t, p) => t * 60 + Number(p), 0)));
      await press('Enter');
      await visit.until('Enter on a line plays it', (s) => Math.abs(document.querySelector('.player video').currentTime - s) < 3, line);
      await press('Alt+ArrowLeft');
      await page.locator('a.hit').first().waitFor();
    },
  },
  {
    name: 'the focus can be seen at every stop of the first page',
    async run(visit, { accounts }) {
      const { page } = visit;
      await visit.signIn(accounts.learner);
      await visit.open('/');
      await page.locator('.card').first().waitFor();
      for (let stop = 0; stop < 12; stop++) {
        await page.keyboard.press('Tab');
        const seen = await page.evaluate(() => {
          const element = document.activeElement;
          if (element === document.body) return 'the end';
          // the search field shows its focus on the frame around it
          const shown = [element, element.closest('form')].filter(Boolean).some((e) => getComputedStyle(e).outlineStyle !== 'none');
          return shown ? 'seen' : element.outerHTML.slice(0, 120);
        });
        if (seen === 'the end') break;
        assert.equal(seen, 'seen');
      }
    },
  },
];

function focusedText(visit) {
  return visit.page.evaluate(() => document.activeElement.textContent);
}

async function tabTo(visit, label) {
  for (let i = 0; i < 40; i++) {
    if ((await visit.page.evaluate(() => document.activeElement.getAttribute('aria-label'))) === label) return;
    await visit.page.keyboard.press('Tab');
  }
  throw new Error(`the Tab key does not reach “${label}”`);
}
