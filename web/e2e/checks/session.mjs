/** Signing in, staying signed in, and the door that stays shut. */
import assert from 'node:assert/strict';
import { ACCOUNT } from '../browser.mjs';

export const checks = [
  {
    name: 'the pages are served under a strict content security policy',
    async run(_, world) {
      const answer = await fetch(`${world.url}/`);
      const policy = answer.headers.get('content-security-policy') ?? '';
      assert.match(policy, /default-src 'self'/);
      assert.ok(!/unsafe-eval|script-src[^;]*unsafe-inline|https?:/.test(policy), policy);
    },
  },
  {
    name: 'a wrong password shows an error and keeps what was typed',
    async run(visit, world) {
      await visit.open('/login');
      await visit.page.getByLabel('Email').fill(world.accounts.learner.email);
      await visit.page.getByLabel('Password').fill('not the password');
      await visit.page.getByRole('button', { name: 'Sign in' }).click();
      const alert = visit.page.getByRole('alert');
      await alert.waitFor();
      assert.match(await alert.innerText(), /\w+.*\n[a-z_]+/s, 'a sentence and a code');
      assert.equal(await visit.page.getByLabel('Email').inputValue(), world.accounts.learner.email);
      assert.equal(await visit.page.getByRole('button', { name: ACCOUNT }).count(), 0);
      await visit.shot('wrong-password');
    },
  },
  {
    name: 'a page that needs an account asks for it, and comes back afterwards',
    async run(visit, world) {
      await visit.open('/certificates');
      await visit.page.waitForURL(/\/login\?next=%2Fcertificates/);
      await visit.page.getByLabel('Email').fill(world.accounts.learner.email);
      await visit.page.getByLabel('Password').fill(world.accounts.learner.password);
      await visit.page.keyboard.press('Enter');
      await visit.page.waitForURL(/\/certificates$/);
    },
  },
  {
    name: 'a signed-in visitor stays so over a reload, with no token in storage, until they sign out',
    async run(visit, world) {
      await visit.signIn(world.accounts.learner);
      await visit.page.reload();
      await visit.page.getByRole('button', { name: ACCOUNT }).click();
      const stored = await visit.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
      assert.ok(!/eyJ|refresh=/.test(stored), stored);
      await visit.page.getByRole('button', { name: 'Sign out' }).click();
      await visit.page.getByRole('main').getByRole('link', { name: 'Sign in' }).waitFor();
      await visit.open('/certificates');
      await visit.page.waitForURL(/\/login/);
    },
  },
  {
    name: 'an address that is no page says so',
    async run(visit) {
      await visit.open('/no/such/page');
      await visit.page.getByRole('heading', { name: 'Not found' }).waitFor();
      assert.match(await visit.page.title(), /Not found/);
    },
  },
];
