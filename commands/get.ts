/** `underpod get`: shows objects of the embedded store. */

import { UsageError } from '../shared/config/usage-error.ts';
import { listLeases } from '../shared/store/embedded/node-records.ts';
import type { EmbeddedStore } from '../shared/store/embedded/store.ts';
import type { KubeObject } from '../shared/store/kube-object.ts';
import { type CommandArguments, type CommandIo, processIo, runCommand } from './store/command.ts';
import { formatTable } from './store/table.ts';
import { namespaceOf, parseTargets, type Targets } from './store/targets.ts';

const FORMATS = ['table', 'json', 'yaml', 'name'] as const;

/** Exit code 0; 1 when an object that was named does not exist or the store cannot be read; 2 for wrong arguments. */
export async function main(args: string[], io: CommandIo = processIo): Promise<number> {
  const output = {
    kind: 'string',
    choices: FORMATS,
    default: 'table',
    help: 'how to print (also -o)',
  } as const;
  const namespace = {
    kind: 'string',
    value: 'NAME',
    default: 'default',
    help: 'the namespace (also -n)',
  } as const;
  const all = { kind: 'boolean', help: 'objects of all namespaces (also -A)' } as const;
  return runCommand(
    {
      name: 'get',
      usage: 'KIND [NAME...] | KIND/NAME... [FLAGS]',
      description: [
        'Shows objects of the embedded store. Kinds: nodes (no), pods (po), services (svc),',
        'endpointslices (eps), networkpolicies (netpol), namespaces (ns), leases.',
        '',
        "A node's LEASE is the time until it counts as gone unless it renews its lease; a node with <none>",
        'was applied by an operator: its podCIDR is reserved for the node of that name.',
      ].join('\n'),
      flags: [
        { name: 'output', ...output },
        { name: 'o', ...output },
        { name: 'namespace', ...namespace },
        { name: 'n', ...namespace },
        { name: 'all-namespaces', ...all },
        { name: 'A', ...all },
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
  const format = flag('output', 'o') ?? 'table';
  const everywhere = ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(flag('all-namespaces', 'A') ?? 'false');
  const named = targets.some((target) => target.names.length > 0);
  if (everywhere && named)
    throw new UsageError('--all-namespaces lists; with a name give --namespace instead');
  using store = command.open();
  const missing: string[] = [];
  const groups = targets.map((target) => ({
    target,
    objects: find(
      store,
      target,
      everywhere ? undefined : namespaceOf(target.info, flag('namespace', 'n')),
      missing,
    ),
  }));
  const objects = groups.flatMap((group) => group.objects);
  if (format === 'json' || format === 'yaml') {
    const value =
      named && objects.length === 1 ? objects[0] : { apiVersion: 'v1', kind: 'List', items: objects };
    if (!named || objects.length > 0) {
      io.out(
        format === 'json'
          ? `${JSON.stringify(value, undefined, 2)}\n`
          : `${Bun.YAML.stringify(value, null, 2)}\n`,
      );
    }
  } else if (format === 'name') {
    for (const object of objects) io.out(`${object.kind.toLowerCase()}/${object.metadata.name}\n`);
  } else {
    printTables(store, groups, everywhere, io);
  }
  for (const name of missing) io.err(`underpod get: ${name} does not exist\n`);
  return missing.length > 0 ? 1 : 0;
}

function find(
  store: EmbeddedStore,
  { info, names }: Targets,
  namespace: string | undefined,
  missing: string[],
): readonly KubeObject[] {
  if (names.length === 0) return store.list(info.kind, info.namespaced ? namespace : undefined).items;
  return names.flatMap((name) => {
    const object = store.get({ kind: info.kind, namespace: namespace ?? '', name });
    if (object !== undefined) return [object];
    missing.push(`${info.kind.toLowerCase()}/${name}${info.namespaced ? ` in namespace ${namespace}` : ''}`);
    return [];
  });
}

function printTables(
  store: EmbeddedStore,
  groups: readonly { target: Targets; objects: readonly KubeObject[] }[],
  everywhere: boolean,
  io: CommandIo,
): void {
  const leases = new Map(store.read(listLeases).map((lease) => [lease.metadata.name, lease]));
  const context = { now: store.clock.now(), leaseOf: (node: string) => leases.get(node) };
  const byKind = new Map<string, { targets: Targets; objects: KubeObject[] }>();
  for (const { target, objects } of groups) {
    const group = byKind.get(target.info.kind) ?? { targets: target, objects: [] };
    group.objects.push(...objects);
    byKind.set(target.info.kind, group);
  }
  let first = true;
  for (const [kind, { targets, objects }] of byKind) {
    if (objects.length === 0) {
      if (targets.names.length === 0) io.err(`there are no ${targets.info.plural}\n`);
      continue;
    }
    io.out(
      `${first ? '' : '\n'}${formatTable(kind, objects, context, everywhere && targets.info.namespaced)}`,
    );
    first = false;
  }
}
