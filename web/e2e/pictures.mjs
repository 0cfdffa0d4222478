#!/usr/bin/env node
/**
 * Makes docs/operate-light.png and docs/operate-dark.png: the operator's page with a backlog, a paused stage and a dead
 * letter. Run it against a server of its own, which it leaves as it found it except for two courses:
 *
 *   DEMO_EXIT=1 scripts/demo -- node web/e2e/pictures.mjs [FOLDER, docs when not given]
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBrowser } from './browser.mjs';
import { brokenUpload, readWorld, signedIn } from './world.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const folder = process.argv[2] ?? join(ROOT, 'docs');
const world = await readWorld();
const [admin, teacher] = [await signedIn(world.url, world.accounts.admin), await signedIn(world.url, world.accounts.instructor)];

await brokenUpload(teacher, world.url);
await admin('/stages/extract/pause', { method: 'PUT', body: { reason: 'a new PDF library is being rolled out' } });
const browser = await openBrowser(world.url, null);
try {
  // a worker hears of the pause at its next sweep
  await until(async () => (await stages()).extract.hosts.every((host) => host.closed === 'paused'));
  const course = await teacher('/courses', { method: 'POST', body: { title: 'Distributed systems, autumn', summary: '' } });
  const put = (name, bytes) => teacher(`/courses/${course.id}/assets?file_name=${name}&title=${name}`, { method: 'POST', body: bytes });
  for (let week = 1; week <= 12; week++) await put(`week-${week}.md`, new TextEncoder().encode(`# Week ${week}\n\nNotes.\n`));
  const lecture = await readFile(join(ROOT, 'samples/lecture.mp4'));
  for (let part = 1; part <= 4; part++) await put(`lecture-${part}.mp4`, lecture);
  await until(async () => {
    const { extract, transcode } = await stages();
    return extract.queued >= 12 && transcode.running > 0 && transcode.queued > 0;
  });
  for (const scheme of ['light', 'dark']) {
    await browser.inFreshContext({ colorScheme: scheme, viewport: { width: 1280, height: 1200 } }, async (visit) => {
      await visit.signIn(world.accounts.admin);
      await visit.open('/operate');
      await visit.page.locator('.stage-panel').first().waitFor();
      await visit.page.locator('.dead-group').first().waitFor();
      await visit.page.locator('.jobs tbody tr').first().waitFor();
      await visit.page.evaluate(() => document.fonts.ready);
      await visit.page.screenshot({ path: join(folder, `operate-${scheme}.png`) });
    });
  }
  await admin('/jobs/actions', { method: 'POST', body: { action: 'cancel', filter: { course_id: course.id } } });
} finally {
  await admin('/stages/extract/pause', { method: 'DELETE' });
  await browser.close();
}

async function stages() {
  return Object.fromEntries((await admin('/stages')).map((view) => [view.stage, view]));
}

async function until(holds) {
  for (const started = Date.now(); !(await holds()); await new Promise((wake) => setTimeout(wake, 200))) {
    if (Date.now() - started > 60_000) throw new Error('the backlog never built up');
  }
}
