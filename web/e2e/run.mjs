#!/usr/bin/env node
/**
 * Drives a running server through its pages with a real browser, and says what holds.
 *
 *   LEARNHUB_URL=http://127.0.0.1:8080 \
 *   E2E_INSTRUCTOR=email:password E2E_LEARNER=email:password E2E_ADMIN=email:password \
 *   npm run e2e [-- PART_OF_A_NAME]
 *
 * The server must have a published course with a captioned video and a PDF of at least two pages, in which the
 * learner is enrolled. Nothing of it is changed: the checks make accounts and a course of their own.
 * E2E_SHOTS=FOLDER keeps a picture of every page (and of every failure). Ends 0 when all checks hold.
 */
import { mkdir } from 'node:fs/promises';
import { readWorld } from './world.mjs';
import { openBrowser } from './browser.mjs';
import * as accessibility from './checks/accessibility.mjs';
import * as certificate from './checks/certificate.mjs';
import * as delivery from './checks/delivery.mjs';
import * as editing from './checks/editing.mjs';
import * as keyboard from './checks/keyboard.mjs';
import * as operate from './checks/operate.mjs';
import * as player from './checks/player.mjs';
import * as reader from './checks/reader.mjs';
import * as search from './checks/search.mjs';
import * as session from './checks/session.mjs';
import * as versions from './checks/versions.mjs';
import * as viewing from './checks/viewing.mjs';
import * as workshop from './checks/workshop.mjs';

const SECONDS_PER_CHECK = 120;

const shots = process.env.E2E_SHOTS ?? null;
if (shots) await mkdir(shots, { recursive: true });

const checks = [session, search, player, viewing, delivery, reader, workshop, editing, versions, certificate, operate, keyboard, accessibility].flatMap((part) => part.checks);
const wanted = checks.filter((check) => process.argv.slice(2).every((part) => check.name.includes(part)));
const world = await readWorld();
const browser = await openBrowser(world.url, shots);

let passed = 0;
let failed = 0;
try {
  for (const [index, check] of wanted.entries()) {
    const started = Date.now();
    try {
      await withTimeout(browser.inFreshContext(check.context, (visit) => check.run(visit, world)));
      passed++;
      console.log(`ok ${index + 1} - ${check.name} (${Date.now() - started} ms)`);
    } catch (error) {
      failed++;
      console.log(`not ok ${index + 1} - ${check.name} (${Date.now() - started} ms)`);
      console.log(indent(error.stack ?? String(error)));
    }
  }
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

function withTimeout(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${SECONDS_PER_CHECK} s`)), SECONDS_PER_CHECK * 1000);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function indent(text) {
  return text.replace(/^/gm, '    ');
}
