// Debian's Chromium, whose page is driven by lines on stdin; ../children.py says
// which. Pages see no pings, cut no fragments and set no headers.
//
// The browser is told what to do through a pipe (the DevTools protocol), and ends
// when that breaks. Its pages are not asked from any server: the request is
// intercepted, so that each page has the origin of the server that it talks to.
// What it is to send it fetches from here.
'use strict';

const { execFileSync, spawn } = require('child_process');
const { createReadStream, mkdirSync, mkdtempSync } = require('fs');
const http = require('http');
const { tmpdir } = require('os');
const path = require('path');
const readline = require('readline');

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-features=LocalNetworkAccessChecks', // a page from nowhere may talk to 127.0.0.1
    '--remote-debugging-pipe'];

let sessionId; // of the page
let count = 0;

function tell(event, fields) {
    process.stdout.write(new URLSearchParams({ event, ...fields }) + '\n');
}

// Browsers ask NSS's database of their user whom to trust besides the well-known.
function trust(home, ca) {
    const database = path.join(home, '.pki', 'nssdb');
    mkdirSync(database, { recursive: true });
    const certutil = (...words) => execFileSync('certutil', ['-d', `sql:${database}`, ...words]);
    certutil('-N', '--empty-password');
    certutil('-A', '-t', 'C,,', '-n', 'interop', '-i', ca);
}

class Browser {
    constructor() {
        const home = mkdtempSync(path.join(tmpdir(), 'chromium-'));
        trust(home, process.env.INTEROP_CA);
        this.process = spawn('chromium', [...FLAGS, `--user-data-dir=${home}/data`], {
            env: { ...process.env, HOME: home },
            stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
        });
        this.process.on('exit', () => process.exit(1));
        this.answers = new Map();
        this.events = {};
        let read = '';
        this.process.stdio[4].setEncoding('utf8').on('data', (data) => {
            const lines = (read + data).split('\0');
            read = lines.pop();
            lines.forEach((line) => this.hear(JSON.parse(line)));
        });
    }

    hear({ id, result, error, method, params }) {
        if (id === undefined) {
            this.events[method]?.(params);
            return;
        }
        const answer = this.answers.get(id);
        this.answers.delete(id);
        if (error) answer.reject(new Error(error.message));
        else answer.resolve(result);
    }

    ask(method, params = {}) {
        const id = ++this.asked || (this.asked = 1);
        this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
        return new Promise((resolve, reject) => this.answers.set(id, { resolve, reject }));
    }
}

// Everything in here is the page's.
function script(payloads) {
    let socket;
    let told = Promise.resolve(); // digests take their time, and events keep their order

    function later(make) {
        told = told.then(async () => tell(JSON.stringify(await make())));
    }

    async function describe(conn, data) {
        const kind = typeof data === 'string' ? 'text' : 'binary';
        const bytes = kind === 'text' ? new TextEncoder().encode(data) : new Uint8Array(data);
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
        const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        return { event: 'message', conn, kind, size: bytes.length, sha256 };
    }

    globalThis.connect = (url, subprotocols, conn) => {
        let isOpen = false;
        socket = new WebSocket(url, subprotocols);
        socket.binaryType = 'arraybuffer';
        socket.onopen = () => {
            isOpen = true;
            const { protocol: subprotocol, extensions } = socket;
            later(() => ({ event: 'open', conn, subprotocol, extensions }));
        };
        socket.onmessage = ({ data }) => later(() => describe(conn, data));
        socket.onclose = ({ code, reason }) => {
            if (isOpen) later(() => ({ event: 'close', conn, code, reason }));
        };
    };

    globalThis.send = async (kind, file) => {
        const payload = await fetch(payloads + file);
        socket.send(kind === 'text' ? await payload.text() : await payload.arrayBuffer());
    };

    globalThis.leave = (code, reason) => {
        if (code) socket.close(Number(code), reason);
        else socket.close();
    };
}

function servePayloads() {
    const server = http.createServer((request, response) => {
        response.setHeader('Access-Control-Allow-Origin', '*');
        createReadStream(request.url).pipe(response);
    });
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${server.address().port}`)));
}

async function open(browser) {
    const page = Buffer.from('<!doctype html><link rel=icon href=data:,>'
        + `<script>(${script})('${await servePayloads()}')</script>`).toString('base64');

    const { targetInfos } = await browser.ask('Target.getTargets');
    const { targetId } = targetInfos.find(({ type }) => type === 'page');
    ({ sessionId } = await browser.ask('Target.attachToTarget', { targetId, flatten: true }));
    await browser.ask('Runtime.enable');
    await browser.ask('Runtime.addBinding', { name: 'tell' });
    await browser.ask('Page.enable');
    await browser.ask('Fetch.enable', { patterns: [{ resourceType: 'Document' }] });

    let loaded;
    let told = Promise.resolve();
    Object.assign(browser.events, {
        'Runtime.bindingCalled': ({ payload }) => {
            const { event, ...fields } = JSON.parse(payload);
            told = told.then(async () => {
                // It would tell every message, and hangs at those of 12 MiB.
                if (event === 'open') await browser.ask('Network.disable');
                tell(event, fields);
            });
        },
        'Runtime.exceptionThrown': ({ exceptionDetails: { text, exception } }) =>
            tell('problem', { text: exception?.description ?? text }),
        'Fetch.requestPaused': ({ requestId }) => browser.ask('Fetch.fulfillRequest', {
            requestId,
            responseCode: 200,
            responseHeaders: [{ name: 'Content-Type', value: 'text/html; charset=utf-8' }],
            body: page,
        }),
        'Page.loadEventFired': () => loaded?.(),
        'Network.webSocketFrameError': ({ errorMessage }) => {
            const refusal = /HTTP Authentication failed|Unexpected response code: (\d+)/
                .exec(errorMessage);
            if (refusal) tell('refused', { status: refusal[1] ?? 401 });
            else tell('problem', { text: errorMessage });
        },
    });

    const call = (name, ...values) => browser.ask('Runtime.evaluate', {
        expression: `${name}(...${JSON.stringify(values)})`,
        awaitPromise: true,
    });
    async function visit(url) {
        const isLoaded = new Promise((resolve) => { loaded = resolve; });
        await browser.ask('Page.navigate', { url });
        await isLoaded;
    }

    await visit('http://127.0.0.1/'); // the first page takes its time
    return {
        async connect({ url, page, subprotocols }) {
            await browser.ask('Network.enable');
            await visit(page ?? new URL('/', url.replace(/^ws/, 'http')).href);
            await call('connect', url, subprotocols ? subprotocols.split(',') : [], ++count);
        },
        send: ({ kind, file }) => call('send', kind, file),
        close: ({ code, reason }) => call('leave', code, reason),
    };
}

async function main() {
    const commands = await open(new Browser());
    tell('ready');
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const command = Object.fromEntries(new URLSearchParams(line));
        try {
            await commands[command.do](command);
        } catch (error) {
            tell('problem', { text: String(error) });
        }
    }
    process.exit();
}

main();
