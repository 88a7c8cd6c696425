/** The examples: each is run, or at least compiled, as its users would. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { compileScript, compileTemplate, parse } from 'vue/compiler-sfc';
import { WebSocketServer } from 'ws';
import { FakeMini } from './mini_host.js';

test('node.mjs: lines in, messages out', { timeout: 30_000 }, async (t) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(`${data}!`)));
  const { port } = server.address() as any;
  const child = spawn(process.execPath, ['examples/node.mjs', `ws://127.0.0.1:${port}/`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  child.stdin.write('hello\n');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  assert.equal(line, 'hello!');
  const said = once(createInterface({ input: child.stderr }), 'line');
  child.stdin.end();
  assert.equal((await said)[0], 'We closed the connection: 1000 normal closure.');
  const [status] = await once(child, 'exit');
  assert.equal(status, 0, 'nothing keeps it from ending');
  server.close();
});

test('weixin.js: a page that opens, shows, sends and closes', () => {
  const mini = new FakeMini('wx', 5);
  Object.assign(globalThis, { wx: mini });
  const require = createRequire(`${process.cwd()}/package.json`);
  let page: any;
  const world = createContext({
    Page: (it: any) => (page = it),
    require: (name: string) => require(name === 'vital-socket' ? './dist/miniprogram/index.js' : name),
  });
  runInContext(readFileSync('examples/weixin.js', 'utf8'), world);
  page.setData = (data: object) => Object.assign(page.data, data);
  page.onLoad();
  mini.task.accept();
  page.hello();
  mini.task.bring('hi');
  assert.deepEqual([page.data.status, page.data.message, mini.task.sent], ['open', 'hi', ['hello']]);
  mini.task.end(1012);
  assert.equal(page.data.verdict, 'The peer closed the connection: 1012 service restart.');
  page.onUnload();
});

for (const name of ['vue.vue', 'uni-app.vue']) {
  test(`${name} compiles, and knows what it uses`, () => {
    const { descriptor, errors } = parse(readFileSync(`examples/${name}`, 'utf8'), { filename: name });
    assert.deepEqual(errors, []);
    const script = compileScript(descriptor, { id: name });
    assert.equal(script.bindings!.state, 'setup-maybe-ref');
    const template = compileTemplate({
      source: descriptor.template!.content, filename: name, id: name,
      compilerOptions: { bindingMetadata: script.bindings!, isCustomElement: (tag) => ['view', 'text'].includes(tag) },
    });
    assert.deepEqual(template.errors, []);
  });
}

test('react.tsx compiles against the package, types and all', async () => {
  const { outputFiles } = await build({
    entryPoints: ['examples/react.tsx'], bundle: true, write: false, jsx: 'automatic', format: 'esm',
    platform: 'browser', logLevel: 'silent', external: ['react', 'react/jsx-runtime'],
  });
  assert.match(outputFiles[0]!.text, /useVital|Say hello/);
});
