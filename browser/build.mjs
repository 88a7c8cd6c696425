// Builds dist/: each entry as an ES module and as CommonJS, the whole as a script
// too, with types for each and source maps for all.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const home = dirname(fileURLToPath(import.meta.url));
const dist = join(home, 'dist');
const declarations = join(home, '.build/types');

/** In dist/ by these names. An adapter stands on the whole instead of holding it; a
 * mini-program's holds it, upon another platform. */
const entries = [
  { name: 'vital', source: 'index' },
  { name: 'core', source: 'core' },
  { name: 'node', source: 'node', adapter: true },
  { name: 'vue', source: 'vue' },
  { name: 'react', source: 'react' },
  { name: 'uni', source: 'uni', mini: true },
  { name: 'weixin', source: 'weixin', mini: true },
];

/** What an adapter is to import, and not to hold. */
const besides = (extension) => ({
  name: 'besides',
  setup(bundle) {
    bundle.onResolve({ filter: /\/index\.js$/ }, () => ({ path: `./vital.${extension}`, external: true }));
  },
});

const otherPlatform = {
  name: 'other-platform',
  setup(bundle) {
    bundle.onResolve({ filter: /\/platform\.js$/ }, () => ({ path: join(home, 'src/platform-mini.ts') }));
  },
};

const shared = {
  bundle: true,
  minify: true,
  mangleProps: /^_/,
  sourcemap: true,
  target: 'es2020',
  logLevel: 'error',
};

async function bundle({ name, source, adapter, mini }, format, extension, outfile = `${name}.${extension}`) {
  await build({
    ...shared,
    ...(mini && { target: 'es2017' }),
    entryPoints: [join(home, `src/${source}.ts`)],
    outfile: join(dist, outfile),
    format,
    packages: 'external',
    plugins: adapter ? [besides(extension)] : mini ? [otherPlatform] : [],
  });
}

/** A declaration and all that it refers to, from .build/types into dist. */
function declare(file, name, done) {
  if (done.has(name)) return;
  done.add(name);
  const text = readFileSync(join(declarations, file), 'utf8');
  // Private members have no types there, so that only what is public is referred to.
  for (const [, other] of text.matchAll(/from '\.\/([\w-]+)\.js'/g)) {
    declare(`${other}.d.ts`, other === 'index' ? 'vital' : `types/${other}`, done);
  }
  const depth = name.startsWith('types/');
  const at = (other) => (other === 'index' ? `${depth ? '../' : './'}vital` : `${depth ? './' : './types/'}${other}`);
  for (const [types, extension] of [['d.ts', 'js'], ['d.cts', 'cjs']]) {
    const own = text.replace(/from '\.\/([\w-]+)\.js'/g, (_, other) => `from '${at(other)}.${extension}'`);
    writeFileSync(join(dist, `${name}.${types}`), own);
  }
}

rmSync(dist, { recursive: true, force: true });
rmSync(declarations, { recursive: true, force: true });
mkdirSync(join(dist, 'types'), { recursive: true });

for (const entry of entries) {
  await bundle(entry, 'esm', 'js');
  await bundle(entry, 'cjs', 'cjs');
}
// WeChat's tools take this folder for the package ("miniprogram" in package.json).
await bundle(entries.find(({ name }) => name === 'weixin'), 'cjs', 'cjs', 'miniprogram/index.js');
writeFileSync(join(dist, 'miniprogram/package.json'), '{ "type": "commonjs" }\n');
await build({
  ...shared,
  entryPoints: [join(home, 'src/script.ts')],
  outfile: join(dist, 'vital.min.js'),
  format: 'iife',
});

execFileSync(join(home, 'node_modules/.bin/tsc'), ['-p', join(home, 'tsconfig.build.json')], { stdio: 'inherit' });
const done = new Set();
for (const { name, source } of entries) declare(`${source}.d.ts`, name, done);

// For those who do not know `exports` (webpack 4, and so uni-app with Vue 2).
for (const { name } of entries.slice(1)) {
  mkdirSync(join(home, name), { recursive: true });
  const stub = { main: `../dist/${name}.cjs`, module: `../dist/${name}.js`, types: `../dist/${name}.d.cts` };
  writeFileSync(join(home, name, 'package.json'), `${JSON.stringify(stub, null, 2)}\n`);
}
