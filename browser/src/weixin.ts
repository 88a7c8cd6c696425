/**
 * For WeChat mini-programs: a Vital over `wx.connectSocket` and its SocketTask.
 * WeChat allows five sockets at a time.
 */
import { Vital as Core } from './index.js';
import type { Address, VitalOptions } from './index.js';
import { life, socketClass } from './mini.js';
import type { MiniProgram } from './mini.js';

export * from './index.js';

export interface MiniOptions extends VitalOptions {
  /** More for `wx.connectSocket`, such as `header`. */
  connect?: object;
}

declare const wx: MiniProgram;

const count = { open: 0 };

export class Vital extends Core {
  constructor(url: Address, protocols?: string | string[], options: MiniOptions = {}) {
    const WebSocket = socketClass(wx, 5, count, options.connect);
    super(url, protocols, { ...options, host: { WebSocket, ...life(wx), ...options.host } });
  }
}

export default Vital;
