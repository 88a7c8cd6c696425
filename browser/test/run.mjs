// Bundles the tests, runs them, and counts them in the house's way.
//
// usage: node test/run.mjs [NAME ...]     a NAME is a test file's, without .test.ts
import { build } from 'esbuild';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const home = dirname(fileURLToPath(import.meta.url));
const out = join(home, '../.build/test');
const wanted = process.argv.slice(2);
const sources = readdirSync(home)
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => wanted.length === 0 || wanted.includes(name.slice(0, -'.test.ts'.length)));

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  entryPoints: sources.map((name) => join(home, name)),
  outdir: out,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  sourcemap: 'inline',
  logLevel: 'error',
});

let passed = 0;
let failed = 0;
let skipped = 0;
const files = sources.map((name) => join(out, name.replace(/\.ts$/, '.mjs')));
const events = run({ files, concurrency: 2, timeout: 120_000 });
events.on('test:pass', ({ details, skip }) => {
  if (details.type === 'suite') return;
  if (skip !== undefined) skipped++;
  else passed++;
});
events.on('test:fail', ({ details }) => {
  if (details.type !== 'suite') failed++;
});
const report = events.compose(new spec());
report.pipe(process.stdout, { end: false });
report.on('end', () => {
  if (passed + failed === 0) {
    console.log('no test has run');
    failed++;
  }
  console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed ? 1 : 0;
});
