import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { lock } from '../../sys/lock.ts';
import { ManualClock } from '../manual-clock.ts';
import { ChangeSignal } from './change-signal.ts';
import { realEnvironment } from './environment.ts';
import { storePaths } from './paths.ts';

const directory = mkdtempSync(join(tmpdir(), 'underpod-signal-'));
const paths = storePaths(join(directory, 'store.db'));

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(directory, { recursive: true, force: true });
});

/** A signal whose events the test makes. */
function signalOf(): { signal: ChangeSignal; event: (name: string) => void } {
  let event: (name: string) => void = () => {};
  const environment = {
    ...realEnvironment(),
    clock: new ManualClock(),
    watchDirectory: (_directory: string, onName: (name: string) => void) => {
      event = onName;
      return { [Symbol.dispose]: () => {} };
    },
  };
  const signal = new ChangeSignal(
    paths,
    environment,
    () => {},
    () => {},
  );
  return { signal, event: (name) => event(name) };
}

test('an event is followed by looks for what the runtime drops after it, and by no more than that', () => {
  const { signal, event } = signalOf();
  using _subscription = signal.subscribe();
  event('store.db-wal');
  expect(signal.ticket).toBe(1);
  vi.advanceTimersByTime(1);
  expect(signal.ticket).toBe(2);
  vi.advanceTimersByTime(2);
  expect(signal.ticket).toBe(3);
  vi.advanceTimersByTime(60_000);
  expect(signal.ticket).toBe(3);
});

test('while a writer is at work it goes on looking, ever less often, until the commit must be visible', () => {
  const { signal, event } = signalOf();
  using _subscription = signal.subscribe();
  const held = lock(paths.lock, 1000);
  event('store.db-wal');
  vi.advanceTimersByTime(1000);
  const during = signal.ticket;
  expect(during).toBeGreaterThan(15);
  expect(during).toBeLessThan(30);
  held.release();
  vi.advanceTimersByTime(50);
  expect(signal.ticket).toBe(during + 1);
  vi.advanceTimersByTime(60_000);
  expect(signal.ticket).toBe(during + 1);
});

test('files beside the store say nothing of it', () => {
  const { signal, event } = signalOf();
  using _subscription = signal.subscribe();
  for (const name of ['store.db-lock', 'store.db-host', 'other', 'store.db-shm']) event(name);
  expect(signal.ticket).toBe(0);
  event('store.db');
  expect(signal.ticket).toBe(1);
});

test('a subscription that ended looks no more', () => {
  const { signal, event } = signalOf();
  const subscription = signal.subscribe();
  event('store.db-wal');
  subscription[Symbol.dispose]();
  vi.advanceTimersByTime(1000);
  expect(signal.ticket).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});
