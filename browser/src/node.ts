/**
 * For Node: a Vital over the package `ws`, which is told more than a page is. What
 * was refused, by which status, and what is wrong with a certificate is in the
 * verdict, and the retry table follows it.
 */
import WebSocket from 'ws';
import type { ClientOptions } from 'ws';
import type { Failure, SocketClass, SocketLike } from './host.js';
import { Vital as Core } from './index.js';
import type { Address, VitalOptions } from './index.js';

export * from './index.js';

export interface NodeOptions extends VitalOptions {
  /** For `ws`: headers, ca, agent and the like. */
  connect?: ClientOptions;
}

/** What OpenSSL, by Node's names, says of a certificate. */
const UNTRUSTED = /^(CERT|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT|HOSTNAME|INVALID_(CA|PURPOSE)|PATH_LENGTH|CRL_)/;

function failureOf({ code = '', message }: Error & { code?: string }, open: boolean): Failure {
  if (code.startsWith('WS_ERR')) return { cause: 'MISBEHAVED', what: message.replace(/^Invalid WebSocket frame: /, '') };
  if (UNTRUSTED.test(code)) return { cause: 'UNTRUSTED', what: message };
  return open ? { what: message } : { cause: 'UNREACHABLE', what: message };
}

/** In seconds; a date is taken for the time until then. */
function retryAfter(header: string | undefined): { retryAfterS?: number } {
  if (!header) return {};
  const s = /^\d+$/.test(header) ? +header : Math.ceil((Date.parse(header) - Date.now()) / 1000);
  return s >= 0 ? { retryAfterS: s } : {};
}

const socketClass = (connect: ClientOptions | undefined): SocketClass =>
  class implements SocketLike {
    onopen: ((event: any) => any) | null = null;
    onmessage: ((event: any) => any) | null = null;
    onerror: ((event: any) => any) | null = null;
    onclose: ((event: any) => any) | null = null;
    private readonly ws: WebSocket;
    private failure: Failure | undefined;

    constructor(url: string, protocols?: string | string[]) {
      const ws = (this.ws = new WebSocket(url, protocols, connect));
      ws.binaryType = 'arraybuffer';
      ws.onopen = () => this.onopen?.({});
      ws.onmessage = ({ data }) => this.onmessage?.({ data, origin: new URL(url).origin });
      ws.on('error', (error) => (this.failure ||= failureOf(error, ws.readyState > WebSocket.CONNECTING && this.opened)));
      ws.on('open', () => (this.opened = true));
      ws.on('unexpected-response', (_request, { statusCode = 0, statusMessage = '', headers }) => {
        this.failure = { cause: 'REJECTED', status: statusCode, what: statusMessage, ...retryAfter(headers['retry-after']) };
        ws.terminate();
      });
      ws.onclose = ({ code, reason, wasClean }) => this.onclose?.({ code, reason, wasClean, failure: this.failure });
    }

    private opened = false;

    get readyState(): number {
      return this.ws.readyState;
    }
    get bufferedAmount(): number {
      return this.ws.bufferedAmount;
    }
    get extensions(): string {
      return this.ws.extensions;
    }
    get protocol(): string {
      return this.ws.protocol;
    }
    get url(): string {
      return this.ws.url;
    }
    get binaryType(): string {
      return this.ws.binaryType;
    }
    set binaryType(type: any) {
      this.ws.binaryType = type;
    }
    send(data: any): void {
      this.ws.send(data);
    }
    close(code?: number, reason?: string): void {
      this.ws.close(code, reason);
    }
  };

export class Vital extends Core {
  constructor(url: Address, protocols?: string | string[], options: NodeOptions = {}) {
    super(url, protocols, { ...options, host: { WebSocket: socketClass(options.connect), ...options.host } });
  }
}

export default Vital;
