/** `shell`: enters a node of a running lab. */
import { ask } from './control.ts';
import type { NodeStatus } from './hold.ts';
import type { Instance } from './instance.ts';
import { nodeNumber } from './options.ts';
import { cleanEnvironment } from './run.ts';

/** The nodes of a running lab. @throws Error if it does not run */
export async function nodesOf(instance: Instance): Promise<NodeStatus[]> {
  if (instance.readState() === undefined)
    throw new Error(`no lab "${instance.name}" is running: 'make up' starts one`);
  const { value } = await ask(instance.socket, 'status', {}, () => {});
  return value as NodeStatus[];
}

/**
 * Runs a command, or a shell, on a node with this terminal.
 *
 * @returns its exit code
 */
export async function shell(instance: Instance, which: string, command: readonly string[]): Promise<number> {
  const number = nodeNumber(which);
  const nodes = await nodesOf(instance);
  const node = nodes[number - 1];
  if (node?.pid === undefined) {
    throw new Error(
      node === undefined ? `no node ${number}: the lab has ${nodes.length}` : `${node.name} is down`,
    );
  }
  const state = instance.readState();
  if (state === undefined) throw new Error('the lab has just ended');
  const user = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
  // Two steps, as the node's number is the holder's PID namespace's.
  const toHolder = [
    'nsenter',
    `--target=${state.holder.pid}`,
    ...user,
    '--mount',
    '--net',
    '--uts',
    '--ipc',
    '--pid',
    '--',
  ];
  const toNode = ['nsenter', `--target=${node.pid}`, '--mount', '--net', '--uts', '--ipc', '--pid', '--'];
  const what = command.length > 0 ? command : ['bash', '--norc', '--noprofile', '-i'];
  const environment = cleanEnvironment({ TERM: process.env['TERM'] ?? 'dumb', PS1: `${node.name}# ` });
  const child = Bun.spawn([...toHolder, ...toNode, ...what], {
    stdin: 'inherit',
    stdout: 'inherit',
    stderr: 'inherit',
    env: environment,
    cwd: '/',
  });
  // Ctrl-C is for what runs inside.
  process.on('SIGINT', () => {});
  return child.exited;
}

/** What `status` prints. */
export function formatStatus(nodes: readonly NodeStatus[]): string {
  return nodes
    .map((node) => {
      const state = node.pid === undefined ? 'down' : node.agent === undefined ? 'agent not running' : 'up';
      const peer = node.program === 'underpod' ? '' : `; the agent is ${node.program}`;
      const drops = node.firewall === 'none' ? '' : `; iptables-${node.firewall} FORWARD policy DROP`;
      const pods = node.pods.map((pod) => `    ${pod.name.padEnd(8)} ${pod.addresses.join('  ')}`);
      return [
        `${node.name}  ${state}  ${node.addresses.join('  ')}  pods ${node.subnets.join('  ')}${drops}${peer}`,
        ...pods,
      ].join('\n');
    })
    .join('\n');
}
