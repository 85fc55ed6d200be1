/** `underpod csi local adopt`: a volume of local-path becomes one of this driver, with its data and its claim. */

import { writeSync } from 'node:fs';
import { type FlagSpec, formatFlags, parseArguments } from '../../../shared/config/flags.ts';
import { UsageError } from '../../../shared/config/usage-error.ts';
import { errorText } from '../../../shared/log/format.ts';
import { connectionProblem } from '../../../shared/net/connection-problem.ts';
import { mkdirp, readTextIfExists, unlinkIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';
import { hostname } from '../../../shared/sys/process.ts';
import { isId } from '../ids.ts';
import { operatorClient } from '../operator-client.ts';
import { type Begun, exchange, type Notes, Refused } from './exchange.ts';
import type { Adoption } from './plan.ts';

const FLAGS: readonly FlagSpec[] = [
  {
    name: 'kubeconfig',
    kind: 'string',
    value: 'FILE',
    help: "how to reach the Kubernetes API (default KUBECONFIG, or a pod's service account)",
  },
  {
    name: 'node-id',
    kind: 'string',
    value: 'NAME',
    help: 'as the driver has it (default NODE_NAME, or the host name)',
  },
  {
    name: 'pool',
    kind: 'string',
    value: 'NAME',
    help: "of the driver, on the volume's file system; by default its first",
  },
  {
    name: 'state-dir',
    kind: 'string',
    value: 'DIR',
    default: '/var/lib/underpod/csi-local',
    help: 'as the driver has it',
  },
  {
    name: 'run-dir',
    kind: 'string',
    value: 'DIR',
    default: '/run/underpod',
    help: "where the driver's socket is",
  },
];

/** Exit codes: 0 done, 1 something is in the way, 2 asked for something that cannot be. */
export async function main(args: string[]): Promise<number> {
  try {
    const { values, rest, help } = parseArguments(args, FLAGS);
    if (help) {
      writeSync(
        1,
        `Usage: underpod csi local adopt PV [FLAGS]\n\nOn the node of a volume that local-path has made, and while no pod uses it: moves its directory into a pool of\nthe driver that runs here, and makes its object one of the driver's, under the same name and for the same claim.\n\n${formatFlags(FLAGS)}\n`,
      );
      return 0;
    }
    const [name, surplus] = rest;
    if (name === undefined || surplus !== undefined) throw new UsageError('name one volume: adopt PV');
    if (!isId(name)) throw new UsageError(`"${name}" is no name of a volume that can be taken over`);
    const value = (flag: string): string | undefined => values.get(flag)?.at(-1);
    const pool = value('pool');
    const socket = `${value('run-dir') ?? '/run/underpod'}/csi-local.sock`;
    const adoption = await exchange({
      client: operatorClient(value('kubeconfig'), 'adopt'),
      name,
      node: value('node-id') ?? (process.env['NODE_NAME'] || hostname()),
      notes: notesIn(`${value('state-dir') ?? '/var/lib/underpod/csi-local'}/adopting`, name),
      move: (each) => askDriver(socket, each, pool),
    });
    writeSync(1, `volume ${name} is the driver's now; it was ${adoption.path}\n`);
    return 0;
  } catch (error) {
    writeSync(2, `underpod csi local adopt: ${errorText(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function askDriver(
  socket: string,
  { id, path, size, claim }: Adoption,
  pool: string | undefined,
): Promise<void> {
  const body = {
    id,
    path,
    size,
    ...(pool !== undefined && { pool }),
    ...(claim && { claim: `${claim.namespace}/${claim.name}` }),
  };
  const answer = await fetch('http://localhost/v1/adopt', {
    unix: socket,
    method: 'POST',
    body: JSON.stringify(body),
  }).catch((error: unknown) => {
    throw new Error(
      `the driver does not answer (${connectionProblem(error)}): "underpod csi local" has to run on this node`,
    );
  });
  if (answer.ok) return;
  const why = (await answer.text()).trim();
  throw answer.status === 409 ? new Refused(why) : new Error(why);
}

function notesIn(directory: string, name: string): Notes {
  const path = `${directory}/${name}.json`;
  return {
    get: () => {
      const text = readTextIfExists(path);
      return text === undefined ? undefined : (JSON.parse(text) as Begun);
    },
    put: (begun) => {
      mkdirp(directory, 0o700);
      writeFileAtomic(path, JSON.stringify(begun), { mode: 0o600 });
    },
    remove: () => void unlinkIfExists(path),
  };
}
