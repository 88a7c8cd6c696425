/// <reference types="@dcloudio/types" />
/// <reference types="miniprogram-api-typings" />
// Checked by tsc alone: the hosts' own types are those that the adapters take.
import type { MiniProgram } from '../src/mini.js';

export const fit: MiniProgram[] = [uni, wx];
