/**
 * The compiled agent in a cluster of 5,000 nodes as kubelets write them, over TLS, from a start without a cache: how
 * long to the last route, and how much memory at the peak.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { enterWorld } from '../cni/world.ts';
import { Authority } from '../testing/certificates.ts';
import { run, TemporaryDirectory } from '../testing/netns.ts';
import { pssMiB, routesTo, underlay } from './agent.ts';
import { type Figure, median } from './figure.ts';

const STATE = '/run/agent';
const NET_CONF = '{"Network":"10.128.0.0/9","Backend":{"Type":"vxlan"}}';
/** A start takes a second or two. */
const PATIENCE_MS = 30_000;

interface StartOptions {
  /** Path. */
  readonly kubeconfig: string;
  readonly nodes: number;
  readonly rounds: number;
  /** What there is, for people. */
  readonly what: string;
}

interface Started {
  readonly ms: number;
  /** Processor time, all threads. */
  readonly busyMs: number;
  /** Until the last route. */
  readonly peakMiB: number;
  /** In the half second after it, in which the state file is written. */
  readonly afterMiB: number;
}

/** Measures `nodes` nodes. @throws Error when the kernel holds another number of routes at the end */
export async function benchKubernetes(executable: string, nodes: number, rounds: number): Promise<Figure[]> {
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  using pki = new TemporaryDirectory();
  const authority = new Authority(pki.path);
  const { certFile, keyFile } = authority.issue('server', { commonName: 'server', hosts: ['127.0.0.1'] });
  const script = `${import.meta.dirname}/kubernetes-server.ts`;
  const server = Bun.spawn([process.execPath, script, String(nodes), certFile, keyFile], {
    stdout: 'pipe',
    stderr: 'inherit',
  });
  try {
    const { value } = await server.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    writeFileSync('/run/kubeconfig', kubeconfig(`https://127.0.0.1:${port}`, authority.certFile));
    underlay();
    const what = `${nodes} nodes in Kubernetes`;
    return await startAgents(executable, { kubeconfig: '/run/kubeconfig', nodes, rounds, what });
  } finally {
    server.kill('SIGKILL');
    await server.exited;
  }
}

/** Starts of the agent as node `bench`, one after the other. Needs the underlay, and a world of its own. */
export async function startAgents(
  executable: string,
  { kubeconfig, nodes, rounds, what }: StartOptions,
): Promise<Figure[]> {
  writeFileSync('/run/net-conf.json', NET_CONF);
  const starts: Started[] = [];
  for (let round = 0; round < rounds; round += 1) starts.push(await startOnce(executable, kubeconfig, nodes));
  const most = (figure: (start: Started) => number): number => Math.max(...starts.map(figure));
  const memory = { unit: 'MiB', rounds };
  return [
    {
      name: `agent: start to all routes, ${what}`,
      ours: median(starts.map(({ ms }) => ms)),
      budget: 2000,
      rounds,
    },
    {
      name: 'agent: processor time until then',
      ours: median(starts.map(({ busyMs }) => busyMs)),
      rounds,
    },
    {
      name: 'agent: peak memory (PSS) until then',
      ours: most(({ peakMiB }) => peakMiB),
      budget: 120,
      ...memory,
    },
    {
      name: 'agent: peak memory (PSS) while the state file is written',
      ours: most(({ afterMiB }) => afterMiB),
      ...memory,
    },
  ];
}

async function startOnce(executable: string, kubeconfig: string, nodes: number): Promise<Started> {
  rmSync(STATE, { recursive: true, force: true });
  mkdirSync(STATE, { recursive: true });
  const start = performance.now();
  const flags = [
    '--datastore=kubernetes',
    `--kubeconfig-file=${kubeconfig}`,
    `--state-dir=${STATE}`,
    '--net-config-path=/run/net-conf.json',
    '--metrics-port=0',
  ];
  const agent = Bun.spawn({
    cmd: [executable, 'agent', ...flags],
    env: { NODE_NAME: 'bench', PATH: process.env['PATH'] ?? '' },
    stdout: 'ignore',
    stderr: 'pipe',
  });
  try {
    let readyAt: number | undefined;
    let log = '';
    void (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of agent.stderr) {
        log += decoder.decode(chunk, { stream: true });
        if (readyAt === undefined && / agent ready /.test(log)) readyAt = performance.now();
      }
    })();
    let peakMiB = 0;
    let afterMiB = 0;
    let busyMs = 0;
    // A little longer than until it is ready: it gives memory back only when nothing has happened for a while.
    while (readyAt === undefined || performance.now() < readyAt + 500) {
      if (agent.exitCode !== null || performance.now() > start + PATIENCE_MS)
        throw new Error(`the agent does not get ready:\n${log}`);
      const now = pssMiB(agent.pid);
      if (readyAt === undefined) {
        peakMiB = Math.max(peakMiB, now);
        busyMs = busyMsOf(agent.pid);
      } else afterMiB = Math.max(afterMiB, now);
      await delay(10);
    }
    const routes = routesTo('flannel.1');
    if (routes !== nodes) throw new Error(`${routes} routes for ${nodes} nodes`);
    return { ms: readyAt - start, busyMs, peakMiB, afterMiB };
  } finally {
    agent.kill('SIGKILL');
    await agent.exited;
    run('ip', 'link', 'delete', 'flannel.1');
  }
}

/** User and system time, and that of programs that it ran: fields 14 to 17 of proc_pid_stat(5), in ticks of 10 ms. */
export function busyMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return 10 * fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

function kubeconfig(server: string, ca: string): string {
  return JSON.stringify({
    'current-context': 'bench',
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    clusters: [{ name: 'bench', cluster: { server, 'certificate-authority': ca } }],
    users: [{ name: 'bench', user: { token: 'x' } }],
  });
}
