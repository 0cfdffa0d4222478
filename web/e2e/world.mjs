/**
 * What there is on the server, read through its API, so that the checks need not know the sample course by heart: a
 * captioned video with something that is said in it, and a PDF with something that stands on a later page.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

export async function readWorld() {
  const url = (process.env.LEARNHUB_URL ?? '').replace(/\/$/, '');
  assert.ok(url, 'LEARNHUB_URL must name the running server');
  const accounts = { instructor: account('E2E_INSTRUCTOR'), learner: account('E2E_LEARNER'), admin: account('E2E_ADMIN') };
  const api = await signedIn(url, accounts.learner);

  for (const { id, enrolled } of (await api('/courses?limit=100')).items) {
    if (!enrolled) continue;
    const course = await api(`/courses/${id}`);
    const assets = course.modules.flatMap((module) => module.lessons.flatMap((lesson) => lesson.assets));
    const video = await captioned(api, assets);
    const pdf = await paged(api, assets);
    if (video && pdf) return { url, accounts, api, course, video, pdf };
  }
  throw new Error('the learner is in no course with a captioned video and a PDF of two pages or more');
}

/** An account that nobody has yet. */
export function newAccount(name) {
  return { name, email: `e2e-${Date.now()}-${Math.random().toString(36).slice(2, 7)}@example.org`, password: 'long-enough-for-anyone-7' };
}

export async function signedIn(url, { email, password }) {
  const answer = await fetch(`${url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  assert.equal(answer.status, 200, `${email} cannot sign in: ${await answer.clone().text()}`);
  const { access_token: token } = await answer.json();
  /** The answer's body. A body is sent as JSON, or as it is when it is bytes. */
  return async (path, { method = 'GET', body, headers } = {}) => {
    const bytes = body instanceof Uint8Array;
    const got = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        ...headers,
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': bytes ? 'application/octet-stream' : 'application/json' }),
      },
      body: bytes || body === undefined ? body : JSON.stringify(body),
    });
    const text = await got.text();
    assert.ok(got.ok, `${method} ${path}: ${got.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
}

const FIXTURES = new URL('../../tests/fixtures/', import.meta.url);

/** A published course of this instructor's own, with a video of three seconds and captions that nobody else has. */
export async function ownRecording(api) {
  const course = await api('/courses', { method: 'POST', body: { title: `Recordings ${Date.now()}`, summary: '' } });
  await api(`/courses/${course.id}/publish`, { method: 'POST' });
  const put = async (name, bytes, more = '') => api(`/courses/${course.id}/assets?file_name=${name}${more}`, { method: 'POST', body: bytes });
  const video = await put('birds.mp4', new Uint8Array(await readFile(new URL('tiny.mp4', FIXTURES))), '&title=Birds');
  const text = `WEBVTT\n\n00:00.200 --> 00:01.400\nThe zibbelin is a small bird.\n\n00:01.400 --> 00:02.800\nIt nests in the cliffs. ${Math.random()}\n`;
  const captions = await put('birds.en.vtt', new TextEncoder().encode(text), `&title=English&captions_for=${video.id}`);
  for (const asset of [video, captions]) await settled(api, asset.id, 'published');
  return { course, video, captions };
}

/** Waits until an asset is in a state. */
export async function settled(api, id, wanted) {
  for (const started = Date.now(); Date.now() - started < 100_000; await new Promise((wake) => setTimeout(wake, 200))) {
    const asset = await api(`/assets/${id}`);
    if (asset.state === wanted && asset.complete) return asset;
    assert.ok(asset.state === 'processing' || !asset.complete, `asset ${id} is ${asset.state}`);
  }
  throw new Error(`asset ${id} was never ${wanted}`);
}

/** Waits until something holds on the server. */
export async function eventually(what, holds) {
  for (const started = Date.now(); !(await holds()); await new Promise((wake) => setTimeout(wake, 200))) {
    if (Date.now() - started > 60_000) throw new Error(`it never came about that ${what}`);
  }
}

/** A course of this instructor's own, with one upload that no program can read: its job is dead, with a reason. */
export async function brokenUpload(api) {
  const course = await api('/courses', { method: 'POST', body: { title: `Broken things ${Date.now()}`, summary: '' } });
  const bytes = new TextEncoder().encode(`%PDF-1.7\n${Math.random()} is not what a PDF is made of\n`);
  const asset = await api(`/courses/${course.id}/assets?file_name=broken.pdf&title=Broken`, { method: 'POST', body: bytes });
  return { course, asset, failure: (await settled(api, asset.id, 'failed')).failure };
}

function account(variable) {
  const [email, ...password] = (process.env[variable] ?? '').split(':');
  assert.ok(email && password.length > 0, `${variable} must be email:password`);
  return { email, password: password.join(':') };
}

/** A video, a cue well inside it, and a query out of the cue's own words. */
async function captioned(api, assets) {
  for (const asset of assets.filter((a) => a.kind === 'video')) {
    const { captions, hls_url: master } = await api(`/assets/${asset.id}/playback`);
    if (captions.length === 0) continue;
    const { items } = await api(`/assets/${captions[0].asset_id}/chunks?limit=100`);
    const later = items.filter((chunk) => chunk.locator.start > 5).sort((a, b) => telling(b.text).length - telling(a.text).length)[0];
    if (later) return { asset, master, query: telling(later.text).slice(0, 6).join(' ') };
  }
  return null;
}

/** A PDF, a page after its first, and a query out of that page's words. */
async function paged(api, assets) {
  for (const asset of assets.filter((a) => a.media_type === 'application/pdf' && a.pages >= 2)) {
    const { items } = await api(`/assets/${asset.id}/chunks?limit=100`);
    const first = new Set(items.filter((c) => c.locator.page === 1).flatMap((c) => telling(c.text)));
    for (const chunk of items.filter((c) => c.locator.page >= 2)) {
      const words = telling(chunk.text).filter((word) => !first.has(word));
      if (words.length >= 3) return { asset, page: chunk.locator.page, query: words.slice(0, 6).join(' ') };
    }
  }
  return null;
}

/** Longer words first said, each once: enough to find the place again. */
function telling(text) {
  return [...new Set(text.toLowerCase().match(/\p{L}{6,}/gu) ?? [])];
}
