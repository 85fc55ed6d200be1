/** `underpod status`: what this node's programs are doing, from their sockets in /run/underpod. */

import { readdirSync, writeSync } from 'node:fs';
import { type FlagSpec, formatFlags, parseArguments, parseBoolean } from '../shared/config/flags.ts';
import { errorText } from '../shared/log/format.ts';
import { connectionProblem } from '../shared/net/connection-problem.ts';
import { formatStatus, type ProgramStatus } from './status/format.ts';
import { serviceOf, showService } from './status/service.ts';
import { showVolumes } from './status/volumes.ts';

const FLAGS: readonly FlagSpec[] = [
  { name: 'run-dir', kind: 'string', value: 'DIR', default: '/run/underpod', help: 'where the sockets are' },
  { name: 'json', kind: 'boolean', help: 'print what the programs say as JSON' },
  { name: 'peers', kind: 'boolean', help: 'list all peers, however many' },
  {
    name: 'namespace',
    kind: 'string',
    value: 'NAME',
    default: 'default',
    help: 'of service/NAME (also -n)',
  },
  { name: 'n', kind: 'string', value: 'NAME', help: 'as --namespace' },
];

/** A program that runs answers at once. */
const TIMEOUT = 2000;

/** Exit code 0 when every program answered and is ready, 1 otherwise, 2 for wrong arguments. */
export async function main(args: string[]): Promise<number> {
  let directory = '/run/underpod';
  let json = false;
  let peers = false;
  let service: string | undefined;
  let volumes = false;
  try {
    const { values, help, rest } = parseArguments(args, FLAGS);
    if (help) {
      writeSync(
        1,
        `usage: underpod status [FLAGS] [service/NAME | volumes]\nPrints what this node's programs are doing; of a Service, what is programmed for it, endpoint by\nendpoint, and why others are left out; of volumes, where each is, its size, use and snapshots.\n\n${formatFlags(FLAGS)}\n`,
      );
      return 0;
    }
    const namespace = values.get('n')?.at(-1) ?? values.get('namespace')?.at(-1) ?? 'default';
    volumes = rest[0] === 'volumes';
    service = rest[0] === undefined || volumes ? undefined : serviceOf(rest[0], namespace);
    if (rest[1] !== undefined) throw new Error(`unexpected argument "${rest[1]}": one at a time`);
    directory = values.get('run-dir')?.at(-1) ?? directory;
    json = isOn(values.get('json'));
    peers = isOn(values.get('peers'));
  } catch (error) {
    writeSync(2, `underpod status: ${errorText(error)}\n`);
    return 2;
  }
  if (volumes) return await showVolumes(`${directory}/csi-local.sock`, json);
  if (service !== undefined) return await showService(`${directory}/proxy.sock`, service, json);
  const statuses: ProgramStatus[] = [];
  let failed = false;
  let running: string[];
  try {
    running = programs(directory);
  } catch (error) {
    writeSync(2, `underpod status: cannot look into ${directory} (${errorText(error)}): run it as root\n`);
    return 1;
  }
  for (const program of running) {
    try {
      const answer = await ask(`${directory}/${program}.sock`);
      if ('waiting' in answer) {
        failed = true;
        writeSync(2, `underpod status: the ${program} is not ready: ${answer.waiting}\n`);
      } else {
        statuses.push(answer);
      }
    } catch (error) {
      failed = true;
      writeSync(
        2,
        `underpod status: the ${program} does not answer (${errorText(error)}); it may have been killed: start it again\n`,
      );
    }
  }
  if (statuses.length === 0) {
    if (!failed) {
      writeSync(
        2,
        `underpod status: no program of underpod runs on this node (no sockets in ${directory}); start "underpod agent"\n`,
      );
    }
    return 1;
  }
  writeSync(
    1,
    json ? `${JSON.stringify(statuses, undefined, 2)}\n` : formatStatus(statuses, Date.now(), peers),
  );
  return failed || statuses.some((status) => !status.ready) ? 1 : 0;
}

function isOn(values: readonly string[] | undefined): boolean {
  return parseBoolean(values?.at(-1) ?? 'false') ?? false;
}

/** The programs that have a status; `cri.sock` is not HTTP. @throws Error when the directory may not be read */
function programs(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.sock') && name !== 'cri.sock')
      .map((name) => name.slice(0, -'.sock'.length))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** What a program says, or, where it has just started, what it waits for. @throws Error */
async function ask(socket: string): Promise<ProgramStatus | { readonly waiting: string }> {
  const response = await fetch('http://localhost/v1/status', {
    unix: socket,
    signal: AbortSignal.timeout(TIMEOUT),
  }).catch((error: unknown) => {
    throw new Error(`${socket}: ${connectionProblem(error) ?? errorText(error)}`);
  });
  if (response.status === 503) return { waiting: (await response.text()).trim() };
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return (await response.json()) as ProgramStatus;
}
