// npm's `ws`, driven by lines on stdin; ../children.py says which.
'use strict';

const { createHash } = require('crypto');
const { readFileSync } = require('fs');
const http = require('http');
const https = require('https');
const readline = require('readline');
const { WebSocket, WebSocketServer } = require('ws');

const MESSAGE_BYTES = 16 * 1024 * 1024;
const DEFLATE = {
    takeover: {},
    fresh: { serverNoContextTakeover: true, clientNoContextTakeover: true },
    narrow: { serverMaxWindowBits: 10, clientMaxWindowBits: 10 },
};

let socket; // of the newest connection
let count = 0;

function tell(event, fields) {
    process.stdout.write(new URLSearchParams({ event, ...fields }) + '\n');
}

function attend(ws, echo, about) {
    const conn = ++count;
    socket = ws;
    tell('open', { conn, subprotocol: ws.protocol, extensions: ws.extensions, ...about });
    ws.on('message', (data, binary) => {
        const sha256 = createHash('sha256').update(data).digest('hex');
        tell('message', { conn, kind: binary ? 'binary' : 'text', size: data.length, sha256 });
        if (echo) ws.send(data, { binary });
    });
    ws.on('ping', (data) => tell('ping', { conn, payload: data.toString('hex') }));
    ws.on('pong', (data) => tell('pong', { conn, payload: data.toString('hex') }));
    ws.on('close', (code, reason) => tell('close', { conn, code, reason: reason.toString() }));
    ws.on('error', (error) => tell('problem', { conn, text: String(error) }));
}

const commands = {
    listen({ port, subprotocol, cert, key, deflate }) {
        const listener = cert
            ? https.createServer({ cert: readFileSync(cert), key: readFileSync(key) })
            : http.createServer();
        const server = new WebSocketServer({
            server: listener,
            perMessageDeflate: DEFLATE[deflate] ?? false,
            maxPayload: MESSAGE_BYTES,
            handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
            verifyClient: ({ req }, decide) => decide(req.url !== '/refuse', 401),
        });
        listener.listen(Number(port), '127.0.0.1', () => tell('listening'));
        server.on('connection', (ws, request) => attend(ws, request.url === '/echo', {
            header: request.headers['x-interop'] ?? '',
            offered: request.headers['sec-websocket-extensions'] ?? '',
        }));
    },

    connect({ url, ca, deflate, header, subprotocols }) {
        let offered;
        const ws = new WebSocket(url, subprotocols ? subprotocols.split(',') : [], {
            ca: ca && readFileSync(ca),
            perMessageDeflate: DEFLATE[deflate] ?? false,
            headers: header ? { 'X-Interop': header } : {},
            maxPayload: MESSAGE_BYTES,
            finishRequest: (request) => {
                offered = request.getHeader('Sec-WebSocket-Extensions');
                request.end();
            },
        });
        ws.on('open', () => attend(ws, false, { offered }));
        ws.on('unexpected-response', (request, response) => {
            tell('refused', { status: response.statusCode });
            request.destroy();
        });
        ws.on('error', (error) => ws.readyState === WebSocket.OPEN
            || tell('problem', { text: String(error) }));
    },

    // Fragments of a text are cut by bytes, also within a character.
    send({ kind, file, fragments, ping }) {
        const binary = kind === 'binary';
        let rest = readFileSync(file);
        for (const size of fragments ? fragments.split(',') : []) {
            socket.send(rest.subarray(0, size), { binary, fin: false });
            rest = rest.subarray(size);
            if (ping) socket.ping(Buffer.from(ping, 'hex'));
        }
        socket.send(rest, { binary });
    },

    ping: ({ payload }) => socket.ping(Buffer.from(payload, 'hex')),
    pong: ({ payload }) => socket.pong(Buffer.from(payload, 'hex')),
    close: ({ code, reason }) => (code ? socket.close(Number(code), reason) : socket.close()),
};

tell('ready');
readline.createInterface({ input: process.stdin })
    .on('line', (line) => {
        const command = Object.fromEntries(new URLSearchParams(line));
        commands[command.do](command);
    })
    .on('close', () => process.exit());
