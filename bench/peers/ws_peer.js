// npm's `ws`; ../servers.py says how it is called.
'use strict';

const { readFileSync } = require('fs');
const http = require('http');
const https = require('https');
const { WebSocketServer } = require('ws');

const BACKLOG = 4096;
const [port, mode, ms, cert, key] = process.argv.slice(2);

const listener = cert
    ? https.createServer({ cert: readFileSync(cert), key: readFileSync(key) })
    : http.createServer();
const server = new WebSocketServer({ server: listener, perMessageDeflate: false });

server.on('connection', (ws) => {
    ws.isAlive = true;
    ws.on('error', () => {});
    ws.on('pong', () => { ws.isAlive = true; });
    if (mode === 'all') {
        ws.on('message', (data, binary) => {
            for (const other of server.clients) other.send(data, { binary });
        });
    } else {
        ws.on('message', (data, binary) => ws.send(data, { binary }));
    }
});

// The heartbeat of its README.
if (mode === 'beat') {
    setInterval(() => {
        for (const ws of server.clients) {
            if (!ws.isAlive) {
                ws.terminate();
                continue;
            }
            ws.isAlive = false;
            ws.ping();
        }
    }, Number(ms));
}
listener.listen(Number(port), '127.0.0.1', BACKLOG);
