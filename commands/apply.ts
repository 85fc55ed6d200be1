/** `underpod apply`: writes objects to the embedded store. */

import { UsageError } from '../shared/config/usage-error.ts';
import { requireFreeSubnets } from '../shared/store/embedded/node-records.ts';
import type { Transaction } from '../shared/store/embedded/transaction.ts';
import { ConflictError, InvalidObjectError, isInvalidObject } from '../shared/store/errors.ts';
import { keyOf } from '../shared/store/kube-object.ts';
import { validateContent } from '../shared/store/validate/content.ts';
import { mergeApplied } from './store/apply-object.ts';
import { type CommandArguments, type CommandIo, processIo, runCommand } from './store/command.ts';
import { type Manifest, readManifests } from './store/manifests.ts';

/** Exit code 0; 1 when anything is wrong with a file or the store, and then nothing was written; 2 for wrong arguments. */
export async function main(args: string[], io: CommandIo = processIo): Promise<number> {
  const file = {
    kind: 'list',
    value: 'FILE',
    help: 'YAML or JSON, "-" for standard input; repeatable (also -f)',
  } as const;
  const namespace = {
    kind: 'string',
    value: 'NAME',
    default: 'default',
    help: 'for objects without one (also -n)',
  } as const;
  return runCommand(
    {
      name: 'apply',
      usage: '-f FILE [FLAGS]',
      description: [
        'Creates or updates objects in the embedded store: Node, Pod, Service, EndpointSlice, NetworkPolicy,',
        'Namespace. All of them are written, or none if one cannot be. What a file does not mention stays as it is,',
        'unless an earlier version of the file set it.',
        '',
        'A Node with spec.podCIDR reserves that subnet for the node of its name.',
      ].join('\n'),
      flags: [
        { name: 'filename', ...file },
        { name: 'f', ...file },
        { name: 'namespace', ...namespace },
        { name: 'n', ...namespace },
      ],
      run,
    },
    args,
    io,
  );
}

async function run({ rest, flag, flags, io, open }: CommandArguments): Promise<number> {
  const files = flags('filename', 'f');
  if (rest[0] !== undefined) throw new UsageError(`unexpected argument "${rest[0]}": files are given by -f`);
  if (files.length === 0) throw new UsageError('name a file: underpod apply -f FILE');
  const manifests: Manifest[] = [];
  for (const file of files)
    manifests.push(...(await readManifests(file, flag('namespace', 'n') ?? 'default', io.stdin)));
  if (manifests.length === 0) throw new UsageError(`there is no object in ${files.join(', ')}`);
  using store = open({ create: true });
  const results = store.transact((transaction) => manifests.map((manifest) => apply(transaction, manifest)));
  for (const result of results) io.out(`${result}\n`);
  return 0;
}

function apply(transaction: Transaction, { where, object }: Manifest): string {
  const key = keyOf(object);
  const label = `${key.kind.toLowerCase()}/${key.name}`;
  const stored = transaction.get(key);
  const merged = mergeApplied(object, stored);
  try {
    // What comes of the file and what is there: a file may leave out what it does not change.
    validateContent(merged);
    if (key.kind === 'Node') requireFreeSubnets(transaction, merged, stored);
    const written = transaction.put(merged);
    if (stored === undefined) return `${label} created`;
    if (written.metadata.resourceVersion === stored.metadata.resourceVersion) return `${label} unchanged`;
    const expected = object.metadata.resourceVersion;
    // A file that was exported is applied only to what it was exported from.
    if (expected !== undefined && expected !== '' && expected !== stored.metadata.resourceVersion) {
      const now = stored.metadata.resourceVersion;
      throw new ConflictError(
        `${label} was changed since this file was exported (resourceVersion ${now}, not ${expected}): ` +
          'export it again, or remove metadata.resourceVersion from the file',
      );
    }
    return `${label} configured`;
  } catch (error) {
    if (error instanceof ConflictError)
      throw new ConflictError(`${where}: ${error.message}`, { cause: error });
    if (isInvalidObject(error)) throw new InvalidObjectError(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}
