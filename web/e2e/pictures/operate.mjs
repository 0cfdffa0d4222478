/** The operator's page with a backlog, a paused stage and a dead letter. */
import { readFile } from 'node:fs/promises';
import { brokenUpload, eventually } from '../world.mjs';

export async function operatePictures({ world, admin, teacher, picture }) {
  const stages = async () => Object.fromEntries((await admin('/stages')).map((view) => [view.stage, view]));
  await brokenUpload(teacher);
  await admin('/stages/extract/pause', { method: 'PUT', body: { reason: 'a new PDF library is being rolled out' } });
  try {
    // a worker hears of the pause at its next sweep
    await eventually('extracting is paused', async () => (await stages()).extract.hosts.every((host) => host.closed === 'paused'));
    const course = await teacher('/courses', { method: 'POST', body: { title: 'Distributed systems, autumn', summary: '' } });
    const put = (name, bytes) => teacher(`/courses/${course.id}/assets?file_name=${name}&title=${name}`, { method: 'POST', body: bytes });
    for (let week = 1; week <= 12; week++) await put(`week-${week}.md`, new TextEncoder().encode(`# Week ${week}\n\nNotes.\n`));
    const lecture = await readFile(new URL('../../../samples/lecture.mp4', import.meta.url));
    for (let part = 1; part <= 4; part++) await put(`lecture-${part}.mp4`, lecture);
    await eventually('a backlog builds up', async () => {
      const { extract, transcode } = await stages();
      return extract.queued >= 12 && transcode.running > 0 && transcode.queued > 0;
    });
    for (const scheme of ['light', 'dark']) {
      await picture(`operate-${scheme}`, world.accounts.admin, { colorScheme: scheme, viewport: { width: 1280, height: 1200 } }, async ({ page }) => {
        await page.goto('/operate');
        await page.locator('.stage-panel').first().waitFor();
        await page.locator('.dead-group').first().waitFor();
        await page.locator('.jobs tbody tr').first().waitFor();
      });
    }
    await admin('/jobs/actions', { method: 'POST', body: { action: 'cancel', filter: { course_id: course.id } } });
  } finally {
    await admin('/stages/extract/pause', { method: 'DELETE' });
  }
}
