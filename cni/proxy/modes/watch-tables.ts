/** Tells when somebody else changes iptables' tables in a way that may have taken something of ours away. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import { notFrom, watchForeignChanges } from '../../../shared/nftables/foreign-changes.ts';
import type { MayHarm } from '../iptables/foreign.ts';
import type { KernelTables } from '../iptables/kernel-tables.ts';
import type { Machine } from '../iptables/machine.ts';
import { TABLE_NAMES, type TableName } from '../iptables/tables.ts';

/** Milliseconds between looks at legacy tables, which tell nobody of changes. */
const LOOK_INTERVAL = 700;

/** @param onError it cannot be told any more */
export async function watchTables(
  machine: Machine,
  tables: KernelTables,
  clock: Clock,
  mayHarm: MayHarm,
  onForeign: () => void,
  onError: (error: unknown) => void,
): Promise<Disposable> {
  if (tables.variant === 'legacy') return lookAgain(tables, clock, onForeign, onError);
  using stack = new DisposableStack();
  const monitor = stack.use(
    await watchForeignChanges({
      tables: TABLE_NAMES.map((name) => ({ family: tables.family === 4 ? 'ip' : 'ip6', name })),
      ownPorts: [],
      concerns: ({ type, table, chain }) => mayHarm(type, table as TableName, chain),
      onChange: onForeign,
      onError,
    }),
  );
  stack.use(machine.onPrograms((pids) => monitor.setFilter(notFrom(pids))));
  return stack.move();
}

function lookAgain(
  tables: KernelTables,
  clock: Clock,
  onForeign: () => void,
  onError: (error: unknown) => void,
): Disposable {
  let timer = clock.after(LOOK_INTERVAL, look);
  function look(): void {
    try {
      // Again and again, until they have been read.
      if (tables.isChanged) onForeign();
    } catch (error) {
      onError(error);
      return;
    }
    timer = clock.after(LOOK_INTERVAL, look);
  }
  return { [Symbol.dispose]: () => timer.cancel() };
}
