/** `underpod delete`: removes objects from the embedded store. */

import { UsageError } from '../shared/config/usage-error.ts';
import { endLease, removeNode } from '../shared/store/embedded/node-records.ts';
import type { Transaction } from '../shared/store/embedded/transaction.ts';
import { NODE_LEASE_NAMESPACE } from '../shared/store/node-object.ts';
import { type CommandArguments, type CommandIo, processIo, runCommand } from './store/command.ts';
import { namespaceOf, parseTargets } from './store/targets.ts';

/** Exit code 0; 1 when one of the objects does not exist; 2 for wrong arguments. */
export async function main(args: string[], io: CommandIo = processIo): Promise<number> {
  const namespace = {
    kind: 'string',
    value: 'NAME',
    default: 'default',
    help: 'the namespace (also -n)',
  } as const;
  return runCommand(
    {
      name: 'delete',
      usage: 'KIND NAME... | KIND/NAME... [FLAGS]',
      description: [
        'Removes objects from the embedded store. Deleting a node takes away its lease and its subnet: the other',
        'nodes remove their routes to it at once, and its subnet may go to another node. An agent that still runs',
        'there notices that it was removed.',
      ].join('\n'),
      flags: [
        { name: 'namespace', ...namespace },
        { name: 'n', ...namespace },
        { name: 'ignore-not-found', kind: 'boolean', help: 'an object that does not exist is no failure' },
      ],
      run,
    },
    args,
    io,
  );
}

function run(command: CommandArguments): number {
  const { io, flag, rest } = command;
  const targets = parseTargets(rest);
  const objects = targets.flatMap(({ info, names }) => {
    if (names.length === 0)
      throw new UsageError(`name what to delete: underpod delete ${info.kind.toLowerCase()}/NAME`);
    const namespace = namespaceOf(info, flag('namespace', 'n'));
    return names.map((name) => ({ kind: info.kind, namespace, name }));
  });
  const ignore = (flag('ignore-not-found') ?? 'false') !== 'false';
  using store = command.open();
  const done = store.transact((transaction) =>
    objects.map((key) => ({ key, deleted: remove(transaction, key) })),
  );
  let failed = false;
  for (const { key, deleted } of done) {
    const label = `${key.kind.toLowerCase()}/${key.name}`;
    if (deleted) {
      io.out(`${label} deleted\n`);
    } else if (!ignore) {
      failed = true;
      io.err(
        `underpod delete: ${label}${key.namespace ? ` in namespace ${key.namespace}` : ''} does not exist\n`,
      );
    }
  }
  return failed ? 1 : 0;
}

function remove(transaction: Transaction, key: { kind: string; namespace: string; name: string }): boolean {
  if (key.kind === 'Node') return removeNode(transaction, key.name) !== undefined;
  if (key.kind === 'Lease' && key.namespace === NODE_LEASE_NAMESPACE) return endLease(transaction, key.name);
  return transaction.delete(key) !== undefined;
}
