/** This machine's iptables: the kernel, which is asked wherever it can be, and the programs, of which it is known when they run. */

import { LegacyTables } from '../../../shared/iptables/legacy-tables.ts';
import type { CommandResult, IptablesMachine } from '../../../shared/iptables/programs.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { findProgram, runProgram } from '../../../shared/sys/run-program.ts';

/** 250,000 endpoints take about 130 MiB. */
const SAVED_MAX = 512 * 1024 * 1024;

const PATH = (process.env['PATH'] || '/usr/sbin:/usr/bin:/sbin:/bin').split(':');

export class Machine implements IptablesMachine, Disposable {
  readonly nftables: KernelNftables;
  readonly legacy: LegacyTables = new LegacyTables();
  readonly #running = new Set<number>();
  readonly #listeners = new Set<(pids: readonly number[]) => void>();

  /** @throws SyscallError where the kernel has no nf_tables, or the rights are missing */
  constructor() {
    this.nftables = KernelNftables.open();
  }

  legacyChains(family: 4 | 6, table: string): ReadonlySet<string> | undefined {
    return this.legacy.chains(family, table);
  }

  async run(argv: readonly string[], input = ''): Promise<CommandResult> {
    const [name = '', ...args] = argv;
    const file = findProgram(name, PATH);
    if (file === undefined) return { code: 127, stdout: '', stderr: 'it is missing' };
    let pid: number | undefined;
    try {
      const { exitCode, stdout, stderr } = await runProgram({
        what: name,
        file,
        args,
        variables: { LC_ALL: 'C' },
        stdin: new TextEncoder().encode(input),
        maxOutput: SAVED_MAX,
        onStart: (started) => {
          pid = started;
          this.#running.add(started);
          this.#tell();
        },
      });
      return { code: exitCode, stdout, stderr };
    } finally {
      if (pid !== undefined) this.#running.delete(pid);
      this.#tell();
    }
  }

  /**
   * Tells the process ids of our programs that are running, now and whenever these change: what such a program does to
   * nf_tables is announced with its id, since that is the port that the kernel gives to a process's first socket. Unless
   * somebody in another namespace of processes has it: then our change is taken for somebody else's, and all is compared.
   */
  onPrograms(listener: (pids: readonly number[]) => void): Disposable {
    this.#listeners.add(listener);
    listener([...this.#running]);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #tell(): void {
    for (const listener of this.#listeners) listener([...this.#running]);
  }

  [Symbol.dispose](): void {
    this.nftables[Symbol.dispose]();
    this.legacy[Symbol.dispose]();
  }
}
