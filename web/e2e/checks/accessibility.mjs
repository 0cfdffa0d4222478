/** axe on every page, in light and in dark; and every page on a screen 320 pixels wide. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const PAGES = [
  { name: 'welcome', who: null, path: () => '/', ready: 'h1' },
  { name: 'login', who: null, path: () => '/login', ready: 'form' },
  { name: 'register', who: null, path: () => '/register', ready: 'form' },
  { name: 'verify', who: null, path: () => '/verify/019f0000-0000-7000-8000-00000000dead', ready: '.verdict' },
  { name: 'not found', who: null, path: () => '/nowhere', ready: 'h1' },
  { name: 'home', who: 'learner', path: () => '/', ready: '.card' },
  { name: 'results', who: 'learner', path: (world) => `/?q=${encodeURIComponent(world.pdf.query)}`, ready: 'a.hit' },
  { name: 'course', who: 'learner', path: (world) => `/courses/${world.course.id}`, ready: '.lesson' },
  { name: 'watch', who: 'learner', path: (world) => `/watch/${world.video.asset.id}`, ready: '.transcript li' },
  { name: 'watch settings', who: 'learner', path: (world) => `/watch/${world.video.asset.id}`, ready: '.transcript li', then: (page) => page.getByRole('button', { name: 'Settings' }).click() },
  { name: 'read', who: 'learner', path: (world) => `/read/${world.pdf.asset.id}?page=2`, ready: '[data-drawn="true"]' },
  { name: 'read as text', who: 'learner', path: (world) => `/read/${world.pdf.asset.id}?page=2&view=text`, ready: '.passage' },
  { name: 'certificates', who: 'learner', path: () => '/certificates', ready: '.certificate, .empty' },
  { name: 'workshop', who: 'instructor', path: (world) => `/courses/${world.course.id}`, ready: '.uploader, .course-head' },
  { name: 'edit captions', who: 'instructor', path: (world) => `/edit/${world.video.asset.id}`, ready: '.cue' },
  { name: 'edit chapters', who: 'instructor', path: (world) => `/edit/${world.video.asset.id}?part=chapters`, ready: '.chapters-editor' },
  { name: 'edit file', who: 'instructor', path: (world) => `/edit/${world.video.asset.id}?part=file`, ready: '.version' },
  { name: 'file', who: 'instructor', path: (world) => `/file/${world.pdf.asset.id}`, ready: '.version' },
  { name: 'edit picture', who: 'instructor', path: (world) => `/edit/${world.video.asset.id}?part=poster`, ready: '.poster img' },
  { name: 'operate', who: 'admin', path: () => '/operate', ready: '.jobs' },
];

export const checks = [
  ...['light', 'dark'].map((scheme) => ({
    name: `axe finds nothing serious on any page, ${scheme}`,
    context: { colorScheme: scheme, reducedMotion: 'reduce' },
    async run(visit, world) {
      const found = [];
      await overPages(visit, world, async ({ name }) => {
        await visit.page.evaluate(axe);
        const { violations } = await visit.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        for (const { id, impact, nodes } of violations) {
          if (impact === 'serious' || impact === 'critical') found.push(`${name}: ${id} at ${nodes.map((n) => n.target.join(' ')).join(', ')}`);
        }
        await visit.shot(`${name.replaceAll(' ', '-')}-${scheme}`);
      });
      assert.deepEqual(found, []);
    },
  })),
  ...[320, 390].map((width) => ({
    name: `no page is wider than a screen of ${width} pixels`,
    context: { viewport: { width, height: 844 }, reducedMotion: 'reduce' },
    async run(visit, world) {
      const wide = [];
      await overPages(visit, world, async ({ name }) => {
        const over = await visit.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) wide.push(`${name}: ${over} px too wide`);
        await visit.shot(`${name.replaceAll(' ', '-')}-${width}`);
      });
      assert.deepEqual(wide, []);
    },
  })),
  {
    name: 'the colours can be chosen, and stay chosen',
    async run(visit) {
      const { page } = visit;
      await visit.open('/');
      const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const light = await paper();
      await page.getByRole('button', { name: /^Colours/ }).click(); // as the system → light
      await page.getByRole('button', { name: /^Colours/ }).click(); // → dark
      const dark = await paper();
      assert.notEqual(dark, light);
      await page.reload();
      assert.equal(await paper(), dark);
    },
  },
];

async function overPages(visit, world, look) {
  let who = null;
  for (const at of PAGES) {
    if (at.who !== null && at.who !== who) {
      await visit.page.context().clearCookies();
      if (who !== null) await visit.page.evaluate(() => localStorage.removeItem('learnhub.signed-in'));
      await visit.signIn(world.accounts[at.who]);
      who = at.who;
    }
    await visit.open(at.path(world));
    await visit.page.locator(at.ready).first().waitFor();
    await at.then?.(visit.page);
    await look(at);
  }
}
