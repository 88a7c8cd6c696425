// Bun's own server; ../servers.py says how it is called. Its heartbeat is that of
// `sendPings`, whose pace follows from `idleTimeout`.
const [port, mode, ms, cert, key] = process.argv.slice(2);

const server = Bun.serve({
    port: Number(port),
    hostname: '127.0.0.1',
    tls: cert ? { cert: Bun.file(cert), key: Bun.file(key) } : undefined,
    fetch(request, bun) {
        return bun.upgrade(request) ? undefined : new Response('no upgrade', { status: 426 });
    },
    websocket: {
        perMessageDeflate: false,
        idleTimeout: mode === 'beat' ? Math.max(8, Math.round((2 * Number(ms)) / 1000)) : 0,
        sendPings: mode === 'beat',
        open(ws) {
            if (mode === 'all') ws.subscribe('all');
        },
        message(ws, data) {
            if (mode === 'all') server.publish('all', data);
            else ws.send(data);
        },
    },
});
