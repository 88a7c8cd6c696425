/**
 * Builds the page of `vital serve` into one file: vital.js and the page's script
 * bundled, the style minified, both put where index.html has room for them.
 *
 * usage: node build.mjs [--check]     --check: fails if dist/page.html is not current
 */
import { build, transform } from 'esbuild';
import { readFile, writeFile } from 'node:fs/promises';

const MOST_BYTES = 60_000;
const here = new URL('.', import.meta.url);
const source = (name) => readFile(new URL(`src/${name}`, here), 'utf8');

const script = await build({
  entryPoints: [new URL('src/main.ts', here).pathname],
  bundle: true,
  minify: true,
  mangleProps: /^_/,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  write: false,
});
const style = await transform(await source('style.css'), { loader: 'css', minify: true });

// Neither may end its own element. A function, since text in its place would be a pattern.
const fill = (element, text) => (html) =>
  html.replace(`></${element}>`, () => `>${text.replaceAll('</', '<\\/').trim()}</${element}>`);

const html = [
  fill('style', style.code),
  fill('script', script.outputFiles[0].text),
].reduce((made, step) => step(made), (await source('index.html')).replace(/^\s+/gm, ''));

const page = new URL('dist/page.html', here);
const size = Buffer.byteLength(html);
if (size > MOST_BYTES) {
  console.error(`the page has ${size} bytes, more than ${MOST_BYTES}`);
  process.exit(1);
}
if (process.argv.includes('--check')) {
  if (html !== await readFile(page, 'utf8')) {
    console.error('browser/page/dist/page.html is not what its sources make; run node browser/page/build.mjs');
    process.exit(1);
  }
} else {
  await writeFile(page, html);
}
console.log(`the page has ${size} bytes, ${MOST_BYTES} at most`);
