/**
 * The holder: process 1 of the lab's PID namespace. It pins the namespaces, does the work that commands ask for, and
 * when it ends the kernel ends everything else.
 *
 * Until `up` has succeeded it lives no longer than the command that started it: its stdin is a pipe from there, and
 * the pipe's end, however it comes about, ends the lab.
 */

import { type BreakRequest, breakAndHeal, breakPath } from './break.ts';
import { type ChangeoverRequest, changeover, losesNothing } from './changeover.ts';
import { allChecks, type CheckRequest, selectChecks } from './checks/all.ts';
import { runChecks } from './checks/check.ts';
import { serveControl } from './control.ts';
import { readSubnets } from './kernel-state.ts';
import { Lab } from './lab.ts';
import type { LabOptions } from './options.ts';
import type { ProgramName } from './programs.ts';
import { type Event, type Report, withProgress } from './report.ts';
import type { ServerAct } from './stores/store.ts';
import { summary } from './table.ts';

export interface HoldArguments {
  readonly socket: string;
  readonly mountPoint: string;
  readonly options: LabOptions;
}

/** A node as `status` and `shell` need it. */
export interface NodeStatus {
  readonly name: string;
  /** Process 1 of the node in the holder's numbering; undefined while it is down. */
  readonly pid: number | undefined;
  readonly agent: number | undefined;
  readonly program: ProgramName;
  readonly addresses: readonly string[];
  readonly subnets: readonly string[];
  readonly firewall: string;
  readonly pods: readonly { readonly name: string; readonly addresses: readonly string[] }[];
}

type End = Event & { kind: 'end' };

/** Runs until it is killed. */
export async function hold(args: HoldArguments): Promise<void> {
  const lab = new Lab(args.options, args.mountPoint);
  let detached = false;
  serveControl(args.socket, async (command, body, report): Promise<End> => {
    switch (command) {
      case 'start':
        await lab.start(report);
        return { kind: 'end', ok: true };
      case 'check':
        return check(lab, body as CheckRequest, report);
      case 'break':
        return { kind: 'end', ok: true, value: await breakPath(lab, body as BreakRequest) };
      case 'heal':
        return { kind: 'end', ok: true, value: await breakAndHeal(lab, body as BreakRequest) };
      case 'mend':
        await lab.agentOf(lab.node((body as { node: number }).node)).start();
        await lab.converged();
        return { kind: 'end', ok: true };
      case 'agent': {
        const { node, program } = body as { node: number; program: ProgramName };
        const work = async (): Promise<number> => {
          const ms = await lab.agentOf(lab.node(node)).start(program);
          await lab.converged();
          return ms;
        };
        const value = await withProgress(report, `starting ${program} on node${node}`, work());
        return { kind: 'end', ok: true, value };
      }
      case 'changeover': {
        const acts = await changeover(lab, body as ChangeoverRequest, report);
        return { kind: 'end', ok: losesNothing(acts), value: acts };
      }
      case 'reboot': {
        const { node, program } = body as { node: number; program: ProgramName };
        const work = async (): Promise<number> => {
          await lab.powerCut(lab.node(node));
          const ms = await lab.startNode(lab.node(node), program);
          await lab.converged();
          return ms;
        };
        const value = await withProgress(report, `starting node${node} with ${program}`, work());
        return { kind: 'end', ok: true, value };
      }
      case 'server':
        await lab.store.act((body as { act: ServerAct }).act);
        return { kind: 'end', ok: true };
      case 'dump':
        return { kind: 'end', ok: true, value: await lab.store.dump() };
      case 'status':
        return { kind: 'end', ok: true, value: lab.nodes.map((node) => statusOf(lab, node)) };
      case 'detach':
        detached = true;
        return { kind: 'end', ok: true };
      default:
        throw new Error(`the running lab does not know "${command}": it was started by another version`);
    }
  });
  for await (const _ of Bun.stdin.stream());
  if (!detached) process.exit(1);
  // Bun's server keeps the process alive from here on.
}

async function check(lab: Lab, request: CheckRequest, report: Report): Promise<End> {
  const start = performance.now();
  const rows = await runChecks(selectChecks(allChecks(lab.options), request), lab, report);
  const ok = rows.every((row) => row.outcome !== 'failed');
  report({ kind: 'text', text: `\n${summary(rows, performance.now() - start)}` });
  return { kind: 'end', ok };
}

function statusOf(lab: Lab, node: Lab['nodes'][number]): NodeStatus {
  const families =
    lab.options.ipv === 'dual' ? ([4, 6] as const) : ([lab.options.ipv === '4' ? 4 : 6] as const);
  return {
    name: node.name,
    pid: node.isUp ? node.pid : undefined,
    agent: lab.agentOf(node).pid,
    program: lab.agentOf(node).program,
    addresses: families.map((family) => node.address(family)),
    subnets: subnetsOf(node),
    firewall: node.firewall,
    pods: lab.podsOf(node).map(({ name, addresses }) => ({ name, addresses: Object.values(addresses) })),
  };
}

function subnetsOf(node: Lab['nodes'][number]): string[] {
  try {
    return Object.values(readSubnets(node));
  } catch {
    // Down, or its agent has not come up.
    return [];
  }
}
