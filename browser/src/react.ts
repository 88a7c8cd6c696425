/**
 * A hook for React. It is given a function that makes the Vital, which it closes
 * when the component goes, or when one of `deps` changes and it makes another.
 */
import { useEffect, useState } from 'react';
import type { DependencyList } from 'react';
import type { Vital } from './vital.js';
import { nothing, watch } from './watching.js';
import type { Snapshot } from './watching.js';

export type { Snapshot, Status } from './watching.js';

export interface UsedVital extends Snapshot {
  /** null until the first effect has run (and so for ever on a server that renders). */
  readonly vital: Vital | null;
}

const none: UsedVital = { ...nothing, vital: null };

export function useVital(make: () => Vital, deps: DependencyList = []): UsedVital {
  const [used, set] = useState(none);
  useEffect(() => {
    const vital = make();
    const stop = watch(vital, (snapshot) => set({ ...snapshot, vital }));
    set({ ...nothing, vital });
    return () => {
      stop();
      vital.close();
    };
  }, deps);
  return used;
}
