// node node.mjs ws://127.0.0.1:9001/: lines in, messages out, over a connection that
// comes back. (In TypeScript it is the same.)
import { createInterface } from 'node:readline';
import { Vital } from 'vital-socket/node';

const vital = new Vital(process.argv[2] ?? 'ws://127.0.0.1:9001/');
const lines = createInterface({ input: process.stdin });

lines.on('line', (line) => vital.send(line));
lines.on('close', () => vital.close(1000));
vital.addEventListener('message', ({ data }) => console.log(data));
vital.addEventListener('verdict', ({ verdict }) => console.error(verdict.text));
