#!/usr/bin/env node
/**
 * Makes the pictures in docs/: the operator's page with a backlog, a paused stage and a dead letter; the player on a desk, in
 * the dark and on a phone; a video that is not ready; the caption editor. Run it against a server of its own, on which it
 * leaves courses and chapters:
 *
 *   DEMO_EXIT=1 scripts/demo -- node web/e2e/pictures.mjs [FOLDER, docs when not given] [operate|player]
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBrowser } from './browser.mjs';
import { operatePictures } from './pictures/operate.mjs';
import { playerPictures } from './pictures/player.mjs';
import { readWorld, signedIn } from './world.mjs';

const [folder = join(fileURLToPath(new URL('../..', import.meta.url)), 'docs'), only] = process.argv.slice(2);
const world = await readWorld();
const [admin, teacher] = [await signedIn(world.url, world.accounts.admin), await signedIn(world.url, world.accounts.instructor)];
const browser = await openBrowser(world.url, null);
/** Opens a page as somebody, lets it be made ready, and keeps what is on the screen. */
async function picture(name, who, options, prepare) {
  await browser.inFreshContext(options, async (visit) => {
    await visit.signIn(who);
    await prepare(visit);
    await visit.page.evaluate(() => document.fonts.ready);
    await visit.page.screenshot({ path: join(folder, `${name}.png`) });
  });
}
try {
  for (const [part, make] of Object.entries({ player: playerPictures, operate: operatePictures })) {
    if (only === undefined || only === part) await make({ world, admin, teacher, picture });
  }
} finally {
  await browser.close();
}
