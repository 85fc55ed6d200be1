import { readFileSync, writeFileSync } from 'node:fs';
import { ManualClock } from '../manual-clock.ts';
import type { StoreReport } from './open.ts';
import { EmbeddedStore, type StoreOptions } from './store.ts';

/** Small numbers from a seed, the same on every run. */
function* randomNumbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Puts random bytes, the same for the same seed, into a file. */
export function overwrite(path: string, offset: number, length: number, seed: number = 1): void {
  const bytes = readFileSync(path);
  const numbers = randomNumbers(seed);
  for (let index = 0; index < length; index += 1)
    bytes[offset + index] = Math.floor((numbers.next().value ?? 0) * 256);
  writeFileSync(path, bytes);
}

/** Opens a store as a starting agent does, at noon of 31 January 2026, and collects what it reports. */
export function openReporting(
  file: string,
  options: StoreOptions = {},
): { store: EmbeddedStore; reports: StoreReport[] } {
  const reports: StoreReport[] = [];
  const clock = new ManualClock(Date.UTC(2026, 0, 31, 12));
  const store = EmbeddedStore.open(file, {
    report: (report) => reports.push(report),
    environment: { clock },
    ...options,
  });
  return { store, reports };
}
