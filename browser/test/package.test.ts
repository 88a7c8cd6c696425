/** What is shipped: dist/ as built, and the package as npm would pack it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const gzipped = (file: string): number => gzipSync(readFileSync(file), { level: 9 }).length;
const require = createRequire(`${process.cwd()}/package.json`);
const tool = (name: string, ...args: string[]): string =>
  execFileSync(`node_modules/.bin/${name}`, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

test('heartbeat, verdict and reconnect are at most 4 KiB, gzipped', () => {
  const size = gzipped('dist/core.js');
  assert.ok(size <= 4096, `dist/core.js is ${size} bytes`);
  assert.ok(size > 2000, 'or something is missing');
});

test('with the sentences it is at most 5.5 KiB', () => {
  for (const file of ['dist/vital.js', 'dist/vital.cjs', 'dist/vital.min.js']) {
    const size = gzipped(file);
    assert.ok(size <= 5632, `${file} is ${size} bytes`);
  }
});

test('there are no dependencies at run time', () => {
  assert.equal(manifest.dependencies, undefined);
});

test('development takes exact versions, and the lock names no address', () => {
  for (const [name, version] of Object.entries(manifest.devDependencies)) {
    assert.match(String(version), /^\d+\.\d+\.\d+$/, name);
  }
  assert.doesNotMatch(readFileSync('package-lock.json', 'utf8'), /"resolved"/);
});

const conditions = Object.entries<any>(manifest.exports).filter(([, it]) => typeof it === 'object');

test('the types stand first in every export', () => {
  assert.ok(conditions.length > 1);
  for (const [name, ways] of conditions) {
    for (const way of Object.values<any>(ways)) assert.equal(Object.keys(way)[0], 'types', name);
  }
});

test('every export is there, can be loaded both ways, and has its source map', async () => {
  for (const [name, ways] of conditions) {
    const path = name === '.' ? manifest.name : manifest.name + name.slice(1);
    const required = require(path);
    const imported = await import(path);
    const names = Object.keys(imported).filter((key) => key !== 'default' && key !== 'module.exports');
    assert.ok(names.length > 0, name);
    for (const key of names) assert.equal(typeof required[key], typeof imported[key], `${name} ${key}`);
    for (const way of Object.values<any>(ways)) {
      for (const file of Object.values<string>(way)) assert.ok(existsSync(file), file);
      assert.match(readFileSync(way.default, 'utf8'), /\n\/\/# sourceMappingURL=/);
      const map = JSON.parse(readFileSync(`${way.default}.map`, 'utf8'));
      assert.ok(map.sources.some((source: string) => source.endsWith('.ts')), name);
    }
  }
});

test('WeChat\'s tools find a folder to take, which needs nothing beside it', () => {
  const folder = manifest.miniprogram;
  const { Vital } = require(`./${folder}/index.js`);
  assert.equal(Vital.OPEN, 1);
  assert.doesNotMatch(readFileSync(`${folder}/index.js`, 'utf8'), /require\(/);
});

test('mini-programs get no syntax that their engines do not know', () => {
  for (const file of ['dist/uni.js', 'dist/weixin.js', `${manifest.miniprogram}/index.js`]) {
    assert.doesNotMatch(readFileSync(file, 'utf8'), /\?\.[a-z(]|\?\?/, file);
    assert.ok(gzipped(file) <= 6656, `${file} is ${gzipped(file)} bytes`);
  }
});

test('as a script it makes Vital global', () => {
  const page: any = createContext({ EventTarget, Event, DOMException, TextEncoder, performance });
  runInContext(readFileSync(manifest.unpkg, 'utf8'), page);
  assert.equal(page.Vital.OPEN, 1);
  assert.equal(typeof page.Vital.prototype.send, 'function');
});

test('npm packs what is needed, and no more', () => {
  const packed = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'],
  }));
  const files: string[] = packed[0].files.map((file: any) => file.path);
  const needless = files.filter(
    (file) => !/^(package\.json|README\.md|LICENSE|\w+\/package\.json)$/.test(file) && !/^dist\/.*(\.(js|cjs|d\.ts|d\.cts)(\.map)?|miniprogram\/package\.json)$/.test(file),
  );
  assert.deepEqual(needless, []);
  for (const file of ['package.json', 'README.md', 'LICENSE', 'dist/vital.js', 'dist/vital.cjs', 'dist/vital.d.ts']) {
    assert.ok(files.includes(file), file);
  }
  assert.ok(packed[0].size < 300_000, `${packed[0].size} bytes`);
});

test('publint finds nothing', () => {
  const said = tool('publint', '--strict', '.');
  assert.match(said, /All good!/);
});

test('are the types wrong? They are not', () => {
  const said = tool('attw', '--pack', '.', '--format', 'ascii', '--no-color', '--no-emoji');
  assert.match(said, /No problems found/);
});

test('the sources are well typed', () => {
  tool('tsc', '-p', '.');
});
