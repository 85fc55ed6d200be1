import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { slowness } from '../../../conformance/testing/slowness.ts';
import { parseArguments } from '../../../shared/config/flags.ts';
import { Settings } from '../../../shared/config/settings.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { systemClock as kubeClock } from '../../../shared/kube/clock.ts';
import { FakeApiServer } from '../../../shared/kube/testing/fake-api-server.ts';
import { TestClock, until } from '../../../shared/kube/testing/test-clock.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import { RTPROT } from '../../../shared/netlink/codec/route.ts';
import { Agent } from '../agent.ts';
import { AGENT_FLAGS } from '../flags.ts';
import { FakeKernel } from '../kernel/fake-kernel.ts';
import { type AgentOptions, agentOptions } from '../options.ts';
import type { Datastore } from './datastore.ts';
import { openKubernetes } from './kubernetes.ts';

const PREFIX = 'flannel.alpha.coreos.com';
const NODES = 'api/v1/nodes';

let directory: string;
let server: FakeApiServer;
const lines: string[] = [];
/** What it said that it waits for. */
const waits: string[] = [];
const log = createLogger('test', { sink: (line) => lines.push(line) });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'underpod-kube-'));
  writeFileSync(join(directory, 'net-conf.json'), '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}');
  server = new FakeApiServer();
  lines.length = 0;
  waits.length = 0;
});

afterEach(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function options(...flags: string[]): AgentOptions {
  const args = [
    '--kube-subnet-mgr',
    `--kube-api-url=${server.url}`,
    `--state-dir=${directory}`,
    `--subnet-file=${directory}/subnet.env`,
    `--net-config-path=${directory}/net-conf.json`,
    ...flags,
  ];
  const settings = new Settings(AGENT_FLAGS, {
    flags: parseArguments(args, AGENT_FLAGS).values,
    environment: {},
    environmentPrefix: 'FLANNELD_',
    file: {},
    fileName: 'none',
  });
  return agentOptions(settings, 'host');
}

interface Opening {
  readonly environment?: Record<string, string>;
  readonly clock?: TestClock;
  readonly signal?: AbortSignal;
  readonly flags?: string[];
}

function open({
  environment = {},
  clock = new TestClock(),
  signal,
  flags = [],
}: Opening = {}): Promise<Datastore> {
  const never = new AbortController().signal;
  return openKubernetes(options(...flags), log, signal ?? never, (why) => waits.push(why), {
    environment,
    clock,
  });
}

function addNode(name: string, annotations: Record<string, string> = {}, podCIDR = '10.244.1.0/24'): void {
  const metadata = { name, annotations };
  server.store.create(NODES, name, { metadata, spec: { podCIDR, podCIDRs: [podCIDR] } } as never);
}

const inPod = { POD_NAME: 'agent-x', POD_NAMESPACE: 'kube-system' };
const addPod = (): unknown =>
  server.store.create('api/v1/pods', 'kube-system/agent-x', {
    metadata: { name: 'agent-x', namespace: 'kube-system' },
    spec: { nodeName: 'n1' },
  } as never);

test('finds the node by NODE_NAME, by its pod, or by the host name', async () => {
  addPod();
  await using byPod = await open({ environment: inPod });
  await using byName = await open({ environment: { ...inPod, NODE_NAME: 'other' } });
  await using byHost = await open();
  expect([byPod.node, byName.node, byHost.node]).toEqual(['n1', 'other', 'host']);
});

test("an annotation chooses the node's interface and what others are told; a setting that names one stays", async () => {
  addNode('host', { [`${PREFIX}/node-public-ip`]: '192.0.2.7', [`${PREFIX}/node-public-ipv6`]: 'nonsense' });
  await using chosen = await open();
  expect(chosen.underlay).toMatchObject({ interfaces: ['192.0.2.7'], publicIp: parseIp('192.0.2.7') });
  expect(chosen.underlay).not.toHaveProperty('publicIpV6');
  expect(lines.join('')).toContain('no address');
  await using named = await open({ flags: ['--iface=eth1', '--public-ip=192.0.2.9'] });
  expect(named.underlay).toMatchObject({ interfaces: ['eth1'], publicIp: parseIp('192.0.2.7') });
});

test('a server that hangs or is gone is not waited for where the disk knows the node', async () => {
  addPod();
  addNode('n1', { [`${PREFIX}/node-public-ip`]: '192.0.2.7' });
  await (await open({ environment: inPod }))[Symbol.asyncDispose]();
  expect(JSON.parse(readFileSync(join(directory, 'kubernetes.json'), 'utf8'))).toEqual({
    version: 1,
    node: 'n1',
    publicIp: '192.0.2.7',
  });

  const stop = new AbortController();
  const clock = new TestClock();
  const fault = server.inject({ answer: 'hang' });
  const hanging = open({ environment: inPod, clock, signal: stop.signal });
  await until('the request', () => server.requests.length === 3);
  clock.advance(300);
  await using datastore = await hanging;
  expect([datastore.node, datastore.underlay?.interfaces]).toEqual(['n1', ['192.0.2.7']]);

  // The server comes to itself: what it says is kept for the next start.
  fault[Symbol.dispose]();
  server.store.replace(NODES, 'n1', { metadata: { name: 'n1' } });
  clock.advance(30_000);
  await until('the retry', () => clock.timers.some((left) => left <= 15_000));
  clock.advance(15_000);
  await until('the news', () => lines.some((line) => line.includes('restart the agent')));
  expect(readFileSync(join(directory, 'kubernetes.json'), 'utf8')).not.toContain('192.0.2.7');

  await server.stop();
  // No time passes at all.
  await using gone = await open({ environment: inPod, signal: stop.signal });
  expect(gone.node).toBe('n1');
  stop.abort();
});

test('without a memory of this node the server is waited for', async () => {
  addNode('host');
  await (await open())[Symbol.asyncDispose]();
  using fault = server.inject({ times: 2, answer: { code: 500 } });
  const clock = new TestClock();
  // The disk is another node's.
  const opening = open({ environment: { NODE_NAME: 'n2' }, clock });
  for (const before of [1, 2]) {
    await until(
      'a retry',
      () => server.requests.length === before + 1 && clock.timers.some((left) => left < 1000),
    );
    clock.advance(1000);
  }
  await using datastore = await opening;
  expect(datastore.node).toBe('n2');
  expect(lines.filter((line) => line.includes('cannot be looked up'))).toHaveLength(1);
  expect(waits[0]).toMatch(/^the node cannot be looked up: .*500/);
  void fault;
});

test('waiting ends when the agent is told to stop', async () => {
  using _ = server.inject({ answer: 'hang' });
  const stop = new AbortController();
  const opening = open({ signal: stop.signal });
  await until('the request', () => server.requests.length === 1);
  stop.abort(new Error('stopped'));
  await expect(opening).rejects.toThrow('stopped');
});

test('settings that lead nowhere are refused with advice', async () => {
  const apart = (flags: string[]): Promise<string> => open({ flags }).then(String, String);
  expect(await apart([`--kubeconfig-file=${directory}/none`])).toContain('no way to the Kubernetes API');
  expect(await apart(['--kube-annotation-prefix=nodot'])).toContain('--kube-annotation-prefix');
});

/** An agent on a kernel of its own. */
async function runAgent(environment: Record<string, string>) {
  const kernel = new FakeKernel();
  const { network } = kernel;
  network.addLink('eth0', [parseCidr('192.0.2.1/24')!]);
  network.routes.push({
    destination: parseCidr('0.0.0.0/0')!,
    gateway: parseIp('192.0.2.254')!,
    oif: network.link('eth0').index,
    table: 254,
    protocol: RTPROT.STATIC,
    scope: 0,
    type: 1,
    flags: 0,
    tos: 0,
  });
  const stop = new AbortController();
  const startedAt = performance.now();
  const datastore = await openKubernetes(
    options('--repair=false'),
    log,
    stop.signal,
    (why) => waits.push(why),
    {
      environment,
      clock: kubeClock,
    },
  );
  const { registry, netConf, node = '' } = datastore;
  let readyAfterMs: number | undefined;
  const agent = new Agent({
    kernel,
    clock: systemClock,
    registry,
    log,
    options: { ...options('--repair=false'), node },
    netConf,
    instance: 'one',
    version: '0',
    onReady: () => {
      readyAfterMs = performance.now() - startedAt;
      datastore.onReady?.();
    },
  });
  const end = agent.run(stop.signal);
  await until('ready', () => readyAfterMs !== undefined);
  return {
    kernel,
    agent,
    readyAfterMs,
    routes: () =>
      kernel.network.routes.flatMap(({ destination }) => ((destination.ip.value >> 8n) & 255n).toString()),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await end;
      await datastore[Symbol.asyncDispose]();
    },
  };
}

const peer = (n: number): void =>
  addNode(
    `peer${n}`,
    {
      [`${PREFIX}/kube-subnet-manager`]: 'true',
      [`${PREFIX}/backend-type`]: 'vxlan',
      [`${PREFIX}/backend-data`]: `{"VNI":1,"VtepMAC":"02:00:00:00:00:0${n}"}`,
      [`${PREFIX}/public-ip`]: `192.0.2.${n}`,
    },
    `10.244.${n}.0/24`,
  );

test('an agent joins, sets the condition, and comes back within 2 s while the server hangs', async () => {
  addNode('n1');
  peer(5);
  const environment = { NODE_NAME: 'n1' };
  {
    await using first = await runAgent(environment);
    expect(server.store.get(NODES, 'n1').metadata.annotations).toMatchObject({
      [`${PREFIX}/public-ip`]: '192.0.2.1',
    });
    await until('the condition', () => 'status' in server.store.get(NODES, 'n1'));
    await until('the peer', () => first.routes().includes('5'));
    peer(6);
    await until('the new peer', () => first.routes().includes('6'));
    // Nothing but what the manifest's role allows.
    const asked = new Set(server.requests.map(({ method, path }) => `${method} ${path}`));
    expect([...asked].sort()).toEqual([
      'GET /api/v1/nodes',
      'GET /api/v1/nodes/n1',
      'PATCH /api/v1/nodes/n1/status',
    ]);
  }
  server.watches.freeze(true);
  using _ = server.inject({ answer: 'hang' });
  await using second = await runAgent(environment);
  expect(second.readyAfterMs).toBeLessThan(2000 * slowness);
  expect(second.routes()).toEqual(expect.arrayContaining(['5', '6']));
  expect(second.agent.status().datastore.connected).toBe(false);
});

test('a slow server costs an agent nothing that it has: it starts by its cache, and hears of everything in time', async () => {
  addNode('n1');
  peer(5);
  const environment = { NODE_NAME: 'n1' };
  {
    await using first = await runAgent(environment);
    await until('the peer', () => first.routes().includes('5'));
  }
  peer(6);
  const begins = Promise.withResolvers<void>();
  // Nothing at first, and then a few bytes a millisecond.
  using _ = server.inject({ answer: { after: begins.promise, everyMs: 1, bytes: 5 } });
  const stopping = { at: 0 };
  {
    await using second = await runAgent(environment);
    expect(second.readyAfterMs).toBeLessThan(2000 * slowness);
    expect(second.routes()).toContain('5');
    let kept = true;
    const reaches = (n: string) => (): boolean => {
      kept &&= second.routes().includes('5');
      return second.routes().includes(n);
    };
    begins.resolve();
    await until('who joined meanwhile', reaches('6'));
    peer(7);
    await until('who joins', reaches('7'));
    expect(kept).toBe(true);
    await until('being connected', () => second.agent.status().datastore.connected);
    server.store.delete(NODES, 'peer5');
    await until('the end of one', () => !second.routes().includes('5'));
    expect(second.routes()).toEqual(expect.arrayContaining(['6', '7']));
    stopping.at = performance.now();
  }
  expect(performance.now() - stopping.at).toBeLessThan(1000 * slowness);
});
