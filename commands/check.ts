/** `underpod check`: why pods of this node cannot talk to those of others, or soon may not. */

import { writeSync } from 'node:fs';
import { type FlagSpec, formatFlags, parseArguments, parseBoolean } from '../shared/config/flags.ts';
import { errorText } from '../shared/log/format.ts';
import { collect } from './check/collect.ts';
import { formatFindings } from './check/format.ts';
import { judge } from './check/judge.ts';

const FLAGS: readonly FlagSpec[] = [
  {
    name: 'output',
    kind: 'string',
    choices: ['text', 'json'],
    default: 'text',
    help: 'what to print',
  },
  { name: 'probe', kind: 'boolean', default: 'true', help: 'ask peers for an answer, for a second at most' },
  {
    name: 'probe-peers',
    kind: 'integer',
    value: 'NUMBER',
    default: '50',
    help: 'ask no more than so many',
  },
  {
    name: 'run-dir',
    kind: 'string',
    value: 'DIR',
    default: '/run/underpod',
    help: "where the agent's socket is",
  },
  {
    name: 'subnet-file',
    kind: 'string',
    value: 'FILE',
    default: '/run/flannel/subnet.env',
    help: 'as the agent has it',
  },
  {
    name: 'net-config-path',
    kind: 'string',
    value: 'FILE',
    default: '/etc/kube-flannel/net-conf.json',
    help: 'as the agent has it; read while the agent is down',
  },
];

/** Exit code 0 without an error among the findings, 1 with one, 2 for wrong arguments. */
export async function main(args: string[]): Promise<number> {
  let value: (name: string) => string;
  try {
    const { values, help, rest } = parseArguments(args, FLAGS);
    if (help) {
      writeSync(1, usage());
      return 0;
    }
    if (rest[0] !== undefined) throw new Error(`unexpected argument "${rest[0]}": it takes none`);
    value = (name) => values.get(name)?.at(-1) ?? FLAGS.find((flag) => flag.name === name)?.default ?? '';
  } catch (error) {
    writeSync(2, `underpod check: ${errorText(error)}\n`);
    return 2;
  }
  try {
    const probes = parseBoolean(value('probe')) === false ? 0 : Math.max(0, Number(value('probe-peers')));
    const findings = judge(
      await collect({
        runDir: value('run-dir'),
        subnetFile: value('subnet-file'),
        netConfigPath: value('net-config-path'),
        probePeers: probes,
      }),
    );
    const ok = findings.every(({ severity }) => severity !== 'error');
    const json = (): string => `${JSON.stringify({ apiVersion: 1, ok, findings }, undefined, 2)}\n`;
    writeSync(1, value('output') === 'json' ? json() : formatFindings(findings));
    return ok ? 0 : 1;
  } catch (error) {
    writeSync(2, `underpod check: ${errorText(error)}; run it as root on the node\n`);
    return 1;
  }
}

function usage(): string {
  return `usage: underpod check [FLAGS]
Looks for what keeps pods of this node from those of others, and says what to do.
Changes nothing. Works while the agent is down, by what the kernel and files tell.

${formatFlags(FLAGS)}
`;
}
