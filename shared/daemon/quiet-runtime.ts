/**
 * Starts a program that stays once more, with a runtime that does not wake it up. What Bun does by the clock can be set by the
 * environment alone, before it starts: it looks once a second whether garbage is worth collecting, which with all that
 * follows takes a program that has nothing else to do 3 ms of each, and a thread of its allocator wakes up with each turn of the
 * event loop. Such a program collects its garbage where it knows that it has done much (see Relaxer), and the engine does by
 * how much is allocated.
 */

import { exec } from '../sys/exec.ts';
import { readFile } from '../sys/file.ts';
import { isSameFile } from '../sys/stat.ts';

/** Of Bun 1.4, and of mimalloc in it. */
const QUIET = { BUN_GC_TIMER_DISABLE: '1', MIMALLOC_SCAVENGER: '0' } as const;
/**
 * Without the compilers behind the first: a program that is busy for a second of its start, and hardly ever again, pays for them
 * with time of the other processor and with memory, and has nothing of it.
 */
const SPARING = { ...QUIET, BUN_JSC_useDFGJIT: '0' } as const;

/** How a program that stays wants its runtime. */
export type Manner = 'quiet' | 'sparing';

/** Returns where the runtime is so already, and where it cannot be: it works all the same. */
export function startAnew(manner: Manner): void {
  const { env, execPath } = process;
  const wanted: Readonly<Record<string, string>> = manner === 'quiet' ? QUIET : SPARING;
  if (Object.keys(wanted).every((name) => env[name] !== undefined)) return;
  try {
    const argv = new TextDecoder().decode(readFile('/proc/self/cmdline')).split('\0').slice(0, -1);
    const [called = ''] = argv;
    // By the path that it was called by, where that is known: the kernel names the process after it.
    const path = called.includes('/') && isSameFile(called, execPath) ? called : execPath;
    exec(path, argv, { ...wanted, ...env });
  } catch {
    // Without /proc, or with the executable replaced: it is as it is.
  }
}
