/**
 * For uni-app: a Vital over `uni.connectSocket` and its SocketTask.
 * `multiple` is for Alipay, whose next socket would else close the one before.
 */
import { Vital as Core } from './index.js';
import type { Address, VitalOptions } from './index.js';
import { life, socketClass } from './mini.js';
import type { MiniProgram } from './mini.js';

export * from './index.js';

export interface MiniOptions extends VitalOptions {
  /** More for `uni.connectSocket`, such as `header`. */
  connect?: object;
}

declare const uni: MiniProgram;

const count = { open: 0 };

export class Vital extends Core {
  constructor(url: Address, protocols?: string | string[], options: MiniOptions = {}) {
    const WebSocket = socketClass(uni, Infinity, count, { multiple: true, ...options.connect });
    super(url, protocols, { ...options, host: { WebSocket, ...life(uni), ...options.host } });
  }
}

export default Vital;
