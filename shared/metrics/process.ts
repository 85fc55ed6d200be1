/** What Prometheus' own clients tell of a process, by their names, from procfs (proc_pid_stat(5)). */

import { readdirSync, readFileSync } from 'node:fs';
import { Metrics } from './metrics.ts';

/** USER_HZ, which is 100 on every architecture that underpod runs on (include/asm-generic/param.h). */
const TICKS_PER_SECOND = 100;
const PAGE_SIZE = 4096;

export class ProcessMetrics {
  readonly #metrics = new Metrics('process_');

  constructor() {
    const metrics = this.#metrics;
    metrics.counterOf('cpu_seconds_total', 'Processor time.', () => {
      const stat = processStat();
      return (Number(stat[13]) + Number(stat[14])) / TICKS_PER_SECOND;
    });
    metrics.gauge(
      'resident_memory_bytes',
      'Memory that is resident.',
      [],
      () => Number(processStat()[23]) * PAGE_SIZE,
    );
    metrics.gauge('virtual_memory_bytes', 'Address space.', [], () => Number(processStat()[22]));
    metrics.gauge('open_fds', 'Open file descriptors.', [], () => readdirSync('/proc/self/fd').length);
    metrics.gauge('max_fds', 'The most file descriptors that may be open.', [], maxFds);
    const startedAt = bootTime() + Number(processStat()[21]) / TICKS_PER_SECOND;
    metrics.gauge('start_time_seconds', 'When it started, seconds since the epoch.').set(startedAt);
  }

  /** The text exposition. */
  expose(): Promise<string> {
    return this.#metrics.expose();
  }
}

/** Fields as proc_pid_stat(5) numbers them, less one; the name, which may hold anything, is left out. */
function processStat(): readonly string[] {
  const text = readFileSync('/proc/self/stat', 'utf8');
  const end = text.lastIndexOf(')');
  return ['', '', ...text.slice(end + 2).split(' ')];
}

/** Seconds since the epoch. */
function bootTime(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
}

function maxFds(): number {
  const limit = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
}
