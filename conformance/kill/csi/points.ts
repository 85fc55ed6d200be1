/**
 * Kills the driver before a chosen system call of a CSI call, starts it again, and makes the call again, as the kubelet does: the
 * answer and the volume have to be the same as if nothing had happened, and nothing may be left when all is deleted.
 */

import { readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { DriverProcess } from '../../csi/driver-process.ts';
import { StorageWorld } from '../../csi/world.ts';
import { type CsiPlan, csiPlans, end, Life } from './plans.ts';

/** What changes something that is still there after the process. Reads and memory are no points. */
const CALLS = [
  ...[
    'openat',
    'openat2',
    'write',
    'pwrite64',
    'unlinkat',
    'renameat2',
    'mkdirat',
    'fchmodat',
    'fchmod',
    'fsync',
  ],
  ...['ftruncate', 'fallocate', 'ioctl', 'mount', 'umount2', 'vfork', 'clone3', 'clone', 'sendmsg'],
];
const MIB = 1024 ** 2;
/** A call that was cut off is made again this often before it counts as failed. */
const TRIES = 5;

/** strace has this long to end, in ms; without it the kernel lets its process go on as well. */
const TRACER_LIMIT_MS = 1000;

export interface CsiPoint {
  readonly plan: CsiPlan;
  readonly call: string;
  readonly nth: number;
}

export interface CsiOutcome {
  readonly tried: number;
  /** The driver was not there any more when the call came to its answer. */
  readonly killed: number;
  readonly problems: readonly string[];
}

export const pointName = ({ plan, call, nth }: CsiPoint): string => `${plan.name} at ${call} ${nth}`;

/** A world, a pool on XFS, and the driver on it. */
export class CsiKills implements AsyncDisposable {
  readonly #world = new StorageWorld();
  readonly #driver: DriverProcess;
  readonly #trace: string;
  #count = 0;
  #killed = 0;

  private constructor() {
    const pool = this.#world.addPool('pool', 'xfs', 4096 * MIB);
    this.#trace = `${this.#world.path}/trace`;
    this.#driver = new DriverProcess({ directory: `${this.#world.path}/driver`, pools: [`default=${pool}`] });
  }

  /** To be used in a mount namespace of its own. */
  static async start(): Promise<CsiKills> {
    const kills = new CsiKills();
    await kills.#driver.start();
    return kills;
  }

  /** Every point of every plan. */
  async points(): Promise<CsiPoint[]> {
    const points: CsiPoint[] = [];
    for (const plan of csiPlans) {
      const life = this.#life(plan);
      await plan.before(life);
      const tracer = await this.#attach([]);
      await plan.call(life);
      await detach(tracer);
      for (const [call, count] of this.#counts())
        for (let nth = 1; nth <= count; nth++) points.push({ plan, call, nth });
      await plan.after(life);
      await end(life);
      const left = this.#world.remnants();
      if (left.length > 0) throw new Error(`${plan.name}, not killed: left ${left.join(', ')}`);
    }
    return points;
  }

  async run(points: readonly CsiPoint[]): Promise<CsiOutcome> {
    const problems: string[] = [];
    for (const point of points) {
      const found = await this.#try(point).catch((error: unknown) => [String(error)]);
      problems.push(...found.map((problem) => `${pointName(point)}: ${problem}`));
      // What is left must not be found again by every point that follows.
      if (found.length > 0) break;
    }
    return { tried: points.length, killed: this.#killed, problems };
  }

  async #try({ plan, call, nth }: CsiPoint): Promise<string[]> {
    const twin = this.#life(plan);
    await plan.before(twin);
    const expected = anonymous(await plan.call(twin));
    await plan.after(twin);
    await end(twin);
    const life = this.#life(plan);
    await plan.before(life);
    const tracer = await this.#attach([`-e`, `inject=${call}:signal=KILL:when=${nth}`]);
    const first = await plan.call(life).then(anonymous, () => undefined);
    await detach(tracer);
    if (!isAlive(this.#driver.pid)) {
      this.#killed++;
      await this.#driver.kill();
      await this.#driver.start();
    }
    const problems: string[] = [];
    const answer = first ?? anonymous(await this.#again(() => plan.call(life)));
    if (!isDeepStrictEqual(answer, expected))
      problems.push(`answered ${JSON.stringify(answer)}, not ${JSON.stringify(expected)}`);
    problems.push(...(await plan.after(life)));
    await end(life);
    return [...problems, ...this.#world.remnants().map((left) => `left ${left}`)];
  }

  async #again(call: () => Promise<unknown>): Promise<unknown> {
    for (let tries = 1; ; tries++) {
      try {
        return await call();
      } catch (error) {
        if (tries >= TRIES) throw new Error('it does not succeed any more', { cause: error });
      }
    }
  }

  #life(plan: CsiPlan): Life {
    this.#count++;
    return new Life(this.#world, this.#driver, `pvc-${String(this.#count).padStart(5, '0')}`, plan.fsType);
  }

  /** Traces the driver's threads, and not its children. Counts begin here. */
  async #attach(options: readonly string[]): Promise<Bun.Subprocess<'ignore', 'ignore', 'pipe'>> {
    const threads = readdirSync(`/proc/${this.#driver.pid}/task`).flatMap((thread) => ['-p', thread]);
    const args = ['-o', this.#trace, '-e', `trace=${CALLS.join(',')}`, ...options, ...threads];
    const tracer = Bun.spawn(['strace', ...args], { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' });
    const reader = tracer.stderr.getReader();
    const decoder = new TextDecoder();
    const wanted = threads.length / 2;
    for (let said = ''; said.split(' attached').length <= wanted; ) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`strace ended: ${said}`);
      said += decoder.decode(value, { stream: true });
    }
    reader.releaseLock();
    return tracer;
  }

  /** How often each call was made, by the thread that made it most. */
  #counts(): Map<string, number> {
    const most = new Map<string, number>();
    const each = new Map<string, number>();
    for (const line of readFileSync(this.#trace, 'latin1').split('\n')) {
      const [, thread = '', call] = /^(\d+) +([a-z_0-9]+)\(/.exec(line) ?? [];
      if (call === undefined || !CALLS.includes(call)) continue;
      const count = (each.get(`${thread} ${call}`) ?? 0) + 1;
      each.set(`${thread} ${call}`, count);
      most.set(call, Math.max(count, most.get(call) ?? 0));
    }
    unlinkSync(this.#trace);
    return most;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#driver[Symbol.asyncDispose]();
    this.#world[Symbol.dispose]();
  }
}

/** The answer without what is another volume's name. */
function anonymous(answer: unknown): unknown {
  const text = JSON.stringify(answer, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  return JSON.parse(text.replaceAll(/pvc-\d{5}/g, 'pvc')) as unknown;
}

/** It hears a signal only between its waits, and of a process that was killed it may wait for ever. */
async function detach(tracer: Bun.Subprocess): Promise<void> {
  tracer.kill('SIGINT');
  const late = setTimeout(() => tracer.kill('SIGKILL'), TRACER_LIMIT_MS);
  await tracer.exited;
  clearTimeout(late);
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    // After the name in parentheses: a killed one that nobody has waited for is a zombie.
    return !/^\S+ Z/.test(
      readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.replace(/^/, '- ') ?? '',
    );
  } catch {
    return false;
  }
}
