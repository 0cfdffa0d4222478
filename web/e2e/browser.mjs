/**
 * The browser, and one visit to the pages: a fresh profile, watched for what must never happen on any page, namely
 * errors in scripts and violations of the content security policy.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
];

/** The longest wait for anything on a page. */
const PATIENCE_MS = 20_000;

/** The button of the account menu, there for everybody who is signed in. */
export const ACCOUNT = /account of/;

export async function openBrowser(url, shots) {
  const folder = await mkdtemp(join(tmpdir(), 'learnhub-e2e-'));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
    env: { ...process.env, HOME: folder },
  });
  return {
    /** Runs `use` with a visit that shares nothing with any other, and fails when the visit saw what must not be. */
    async inFreshContext(options, use) {
      const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 860 }, colorScheme: 'light', ...options });
      context.setDefaultTimeout(PATIENCE_MS);
      const seen = watch(context);
      const page = await context.newPage();
      const visit = new Visit(page, shots);
      try {
        await use(visit);
        assert.deepEqual(seen, [], 'errors on the pages');
      } catch (error) {
        if (shots) await page.screenshot({ path: join(shots, `failed-${Date.now()}.png`), fullPage: true }).catch(() => undefined);
        throw error;
      } finally {
        await context.close();
      }
    },
    async close() {
      await browser.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function watch(context) {
  const seen = [];
  context.on('weberror', (error) => seen.push(`script error: ${error.error().message}`));
  context.on('console', (message) => {
    const text = message.text();
    // the browser itself logs every refused request; those are the server's answers, and checked where they matter
    if (/content security policy/i.test(text) || text.startsWith('csp:')) seen.push(text);
  });
  void context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.warn(`csp: ${event.violatedDirective} forbids ${event.blockedURI}`));
  });
  return seen;
}

/** What the checks do on the pages, by the names that a person would use. */
export class Visit {
  constructor(page, shots) {
    this.page = page;
    this.shots = shots;
  }

  async open(path) {
    return await this.page.goto(path, { waitUntil: 'load' });
  }

  async shot(name) {
    if (this.shots) await this.page.screenshot({ path: join(this.shots, `${name}.png`) });
  }

  async signIn({ email, password }) {
    await this.open('/login');
    await this.page.getByLabel('Email').fill(email);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    await this.page.getByRole('button', { name: ACCOUNT }).waitFor();
  }

  /** Makes an account by the form; the visitor is signed in afterwards. */
  async register({ name, email, password, role = 'learn' }) {
    await this.open('/register');
    await this.page.getByLabel('Name').fill(name);
    await this.page.getByLabel('Email').fill(email);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('radio', { name: role }).check();
    await this.page.getByRole('button', { name: 'Make the account' }).click();
    await this.page.getByRole('button', { name: ACCOUNT }).waitFor();
  }

  /** Types the query into the first page, as a person would, and waits for its hits. */
  async search(query) {
    await this.open('/');
    await this.page.getByRole('searchbox', { name: 'Search your courses' }).pressSequentially(query, { delay: 15 });
    await this.page.waitForFunction((q) => new URLSearchParams(location.search).get('q') === q, query.trim());
    await this.page.locator('section[aria-label="Results"][aria-busy="false"]').waitFor();
  }

  /** Waits until a condition on the page holds; `what` is for the message when it never does. */
  async until(what, condition, argument) {
    await this.page.waitForFunction(condition, argument).catch(async (error) => {
      const film = await this.page.evaluate(filmAsItIs).catch(() => null);
      throw new Error(`never happened: ${what}\n${error.message}${film ? `\nthe film: ${JSON.stringify(film)}` : ''}`);
    });
  }
}

/** For the message of a wait that ended: what the page's film was doing, or null where there is none. */
function filmAsItIs() {
  const video = document.querySelector('.player video');
  if (!video) return null;
  const { currentTime, duration, readyState, networkState, playbackRate, defaultPlaybackRate, paused, seeking, error } = video;
  const loaded = [...Array(video.buffered.length).keys()].map((i) => [video.buffered.start(i), video.buffered.end(i)]);
  const shown = document.querySelector('.player').dataset.state;
  const remembered = Object.fromEntries(Object.entries(localStorage));
  return { shown, currentTime, duration, readyState, networkState, playbackRate, defaultPlaybackRate, paused, seeking, error: error?.message, loaded, remembered };
}
