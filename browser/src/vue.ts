/**
 * A composable for Vue. It is given a function that makes the Vital, so that it
 * works with the page's, uni-app's and any other; it closes it with its scope.
 */
import { getCurrentInstance, onMounted, onScopeDispose, shallowReadonly, shallowRef } from 'vue';
import type { ShallowRef } from 'vue';
import type { Data } from './queue.js';
import type { Vital } from './vital.js';
import { nothing, watch } from './watching.js';
import type { Snapshot } from './watching.js';

export type { Snapshot, Status } from './watching.js';

export interface UsedVital {
  /** null until the component is mounted (and so for ever on a server that renders). */
  readonly vital: Readonly<ShallowRef<Vital | null>>;
  /** Status, health, round trip, verdict and last message. */
  readonly state: Readonly<ShallowRef<Snapshot>>;
  send(data: Data): void;
}

export function useVital(make: () => Vital): UsedVital {
  const vital = shallowRef<Vital | null>(null);
  const state = shallowRef(nothing);
  const start = (): void => {
    const made = make();
    const stop = watch(made, (snapshot) => {
      state.value = snapshot;
    });
    vital.value = made;
    close = () => {
      stop();
      made.close();
    };
  };
  let close = (): void => {};
  onScopeDispose(() => close());
  if (getCurrentInstance()) onMounted(start);
  else start();
  return {
    vital: shallowReadonly(vital),
    state: shallowReadonly(state),
    send: (data) => {
      if (!vital.value) throw new Error('useVital: send() before the component is mounted');
      vital.value.send(data);
    },
  };
}
