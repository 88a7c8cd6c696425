/** For a <script>: `Vital` is global. */
import Vital from './index.js';

Object.assign(globalThis, { Vital });
