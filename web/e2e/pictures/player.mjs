/** The player, the wait before it, and the caption editor. */
import { readFile } from 'node:fs/promises';
import { eventually } from '../world.mjs';

const CHAPTERS = [
  [0, 'Who is pulling?'],
  [28.5, 'Two high waters a day'],
  [52, 'Spring and neap'],
  [71, 'The highest tides in the world'],
  [97, 'Wind and air pressure'],
].map(([start_s, title]) => ({ start_s, title }));

export async function playerPictures({ world, teacher, picture }) {
  const { id } = world.video.asset;
  await teacher(`/assets/${id}/chapters`, { method: 'PUT', headers: { 'if-match': '*' }, body: { chapters: CHAPTERS } });
  const { accounts } = world;
  const watch = (second) => async (visit) => {
    const { page } = visit;
    await visit.open(`/watch/${id}?t=${second}`);
    await visit.until('it plays', () => document.querySelector('.player')?.dataset.state === 'playing');
    await page.keyboard.press('k');
    await page.keyboard.press('c');
    await page.locator('.caption').waitFor();
    await page.locator('.transcript [aria-current="true"]').waitFor();
    await page.locator('.player-big').evaluate((button) => (button.style.display = 'none')); // the film is what is looked at
  };
  const point = async ({ page }) => {
    const { x, y, width, height } = await page.getByRole('slider', { name: 'Position' }).boundingBox();
    await page.mouse.move(x + width * 0.62, y + height / 2);
    await page.locator('.seek-preview').waitFor();
  };
  await picture('player-light', accounts.learner, { colorScheme: 'light', viewport: { width: 1280, height: 860 } }, async (visit) => {
    await watch(31)(visit);
    await point(visit);
  });
  await picture('player-dark', accounts.learner, { colorScheme: 'dark', viewport: { width: 1280, height: 860 } }, async (visit) => {
    await watch(60)(visit);
    await visit.page.getByRole('button', { name: 'Settings' }).click();
  });
  await picture('player-phone', accounts.learner, { colorScheme: 'light', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }, watch(75));
  await picture('caption-editor', accounts.instructor, { colorScheme: 'light', viewport: { width: 1280, height: 900 } }, async (visit) => {
    const { page } = visit;
    await visit.open(`/edit/${id}`);
    await page.locator('.cue').first().waitFor();
    await visit.until('the film is loaded', () => document.querySelector('.player video')?.readyState >= 3);
    const end = page.locator('.cue').nth(1).getByLabel(/^End of the cue/);
    await end.fill('0:08.400');
    await end.press('Enter');
    await page.locator('.cue').nth(3).locator('textarea').fill('The water that faces the Moon is nearer to it, and is drawn much more strongly than the solid Earth that lies beneath all of that water.');
    await page.locator('.player video').evaluate((film) => (film.currentTime = 13));
    await page.locator('.caption').waitFor();
  });
  await waiting({ world, teacher, picture });
}

/** A long film, a little way in. */
async function waiting({ world, teacher, picture }) {
  const course = await teacher('/courses', { method: 'POST', body: { title: 'The sea, a course of twelve weeks', summary: '' } });
  const bytes = await readFile(new URL('../../../samples/lecture.mp4', import.meta.url));
  const video = await teacher(`/courses/${course.id}/assets?file_name=week-1.mp4&title=Week%201:%20Waves%20and%20what%20drives%20them`, { method: 'POST', body: bytes });
  await eventually('it is being made', async () => {
    const { stages } = await teacher(`/assets/${video.id}`);
    return stages.some((stage) => stage.stage === 'transcode' && stage.state === 'running' && stage.total > 0 && stage.done / stage.total > 0.1);
  });
  await picture('waiting', world.accounts.instructor, { colorScheme: 'light', viewport: { width: 1280, height: 720 } }, async (visit) => {
    await visit.open(`/watch/${video.id}`);
    await visit.page.locator('.making .stages .progress').waitFor();
  });
}
