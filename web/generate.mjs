#!/usr/bin/env node
/**
 * Writes src/api/schema.ts from the snapshot of the API's description, docs/api/openapi.json. With --check it writes
 * nothing, and ends 1 when the file is not what the snapshot gives.
 *
 * Only the schemas: which address gives which of them is said in src/api/, where a reader looks for it.
 */
import { readFile, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

const snapshot = new URL('../docs/api/openapi.json', import.meta.url);
const file = new URL('src/api/schema.ts', import.meta.url);

const { openapi, info, components } = JSON.parse(await readFile(snapshot, 'utf8'));
const types = astToString(await openapiTS({ openapi, info, paths: {}, components: { schemas: components.schemas } }));
const text = `// Made by \`npm run generate\` from docs/api/openapi.json; changes belong there.\n\n${types}`;

if (!process.argv.includes('--check')) await writeFile(file, text);
else if ((await readFile(file, 'utf8')) !== text) {
  console.error('src/api/schema.ts is not what docs/api/openapi.json gives: run `npm run generate` in web/');
  process.exitCode = 1;
}
