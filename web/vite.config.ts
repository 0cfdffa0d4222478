/// <reference types="vitest/config" />
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

// Where `npm run dev` finds the server's API and media.
const server = process.env.LEARNHUB_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react(), pdfData()],
  server: { proxy: { '/api': server, '/media': server, '/stream': server } },
  build: {
    // light-dark() is used as it is; all of these have had it since 2024
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // the policy of the pages allows no data: fonts or scripts
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
    // the worker of pdf.js comes as .mjs, an extension that not every server knows for JavaScript
    rolldownOptions: { output: { assetFileNames: ({ names }) => `assets/[name]-[hash]${names[0]?.endsWith('.mjs') ? '.js' : '[extname]'}` } },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});

/** Puts the data that pdf.js loads by name (character maps, the 14 standard fonts, JPEG 2000 in plain JavaScript) under `pdf/`. */
function pdfData(): Plugin {
  const root = fileURLToPath(new URL('node_modules/pdfjs-dist/', import.meta.url));
  const wanted = (folder: string, name: string) => folder !== 'wasm' || name.endsWith('_nowasm_fallback.js') || name.endsWith('_OPENJPEG');
  return {
    name: 'pdf-data',
    apply: 'build',
    generateBundle() {
      for (const folder of ['cmaps', 'standard_fonts', 'wasm']) {
        for (const name of readdirSync(join(root, folder))) {
          if (!wanted(folder, name)) continue;
          this.emitFile({ type: 'asset', fileName: `pdf/${folder}/${name}`, source: readFileSync(join(root, folder, name)) });
        }
      }
    },
  };
}
