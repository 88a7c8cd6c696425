// npm's `ws` with the heartbeat of its README; ../peers.py says how it is called. The
// server pings at a fixed pace and terminates who has not answered the ping before; the
// client terminates when no ping has come for the interval and a second.
'use strict';

const { WebSocket, WebSocketServer } = require('ws');

const MARGIN_MS = 1000; // the README: interval + 1000

const [role, address, port, interval, first, count, over, talk] = process.argv
    .slice(2).map((word, i) => (i < 2 ? word : Number(word)));

function tell(event, fields) {
    const at = process.hrtime.bigint() / 1000n;
    process.stdout.write(new URLSearchParams({ event, at, ...fields }) + '\n');
}

function watch(ws, name) {
    let problem = '';
    ws.on('error', (error) => { problem = String(error); });
    ws.on('close', (code, reason) => tell('dead', { name, text: `${code} ${reason} ${problem}` }));
}

function serve() {
    const server = new WebSocketServer({ host: address, port }, () => tell('ready'));
    server.on('connection', (ws, request) => {
        const name = request.url.slice(1);
        tell('open', { name, port: request.socket.remotePort });
        watch(ws, name);
        ws.isAlive = true;
        ws.on('pong', () => { ws.isAlive = true; });
        ws.on('message', (data, binary) => ws.send(data, { binary }));
    });
    setInterval(() => {
        for (const ws of server.clients) {
            if (!ws.isAlive) {
                ws.terminate();
                continue;
            }
            ws.isAlive = false;
            ws.ping();
        }
    }, interval);
}

function connect(name) {
    const ws = new WebSocket(`ws://${address}:${port}/${name}`, { perMessageDeflate: false });
    let pingTimeout;
    const heartbeat = () => {
        clearTimeout(pingTimeout);
        pingTimeout = setTimeout(() => ws.terminate(), interval + MARGIN_MS);
    };
    watch(ws, name);
    ws.on('open', heartbeat);
    ws.on('open', () => tell('open', { name }));
    ws.on('ping', heartbeat);
    ws.on('close', () => clearTimeout(pingTimeout));
    if (talk > 0)
        ws.on('open', () => setInterval(() => ws.send('so it goes'), talk));
}

if (role === 'server') {
    serve();
} else {
    for (let i = 0; i < count; i++)
        setTimeout(connect, over * i / count, first + i);
}
