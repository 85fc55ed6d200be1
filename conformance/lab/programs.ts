/** The programs that can be a node's agent: ours, and the one it takes the place of. */
import { flanneld } from '../flannel/programs.ts';
import type { LabNode } from './node.ts';
import { UNDERPOD } from './node-root.ts';
import type { LabOptions } from './options.ts';
import { NET_CONF } from './stores/store.ts';

export const PROGRAMS = ['underpod', 'flanneld'] as const;
export type ProgramName = (typeof PROGRAMS)[number];

/** Ours: the agent's metrics and health port (design.md, "Names and places"). flanneld's is set to the same. */
export const HEALTH_PORT: number = 9320;

/** Which program a node's agent is when the lab comes up. */
export function programOf(node: LabNode, options: LabOptions): ProgramName {
  return options.flannel.includes(node.index) ? 'flanneld' : 'underpod';
}

/** The command line, as an administrator would write it. @param store flags of LabStore */
export function commandOf(program: ProgramName, store: readonly string[], options: LabOptions): string[] {
  switch (program) {
    case 'underpod':
      return [
        UNDERPOD,
        'agent',
        ...store,
        '--state-dir=/var/lib/underpod',
        `--net-config-path=${NET_CONF}`,
        ...(options.repair ? [] : ['--repair=false']),
      ];
    case 'flanneld':
      return [
        `/host${flanneld}`,
        ...store,
        `--net-config-path=${NET_CONF}`,
        '--ip-masq',
        ...['--healthz-ip=127.0.0.1', `--healthz-port=${HEALTH_PORT}`],
      ];
    default:
      return program satisfies never;
  }
}
