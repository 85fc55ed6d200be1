/** The proxy as a program in mode ipvs: as it starts, ends, is disturbed, and gives way to the other modes. */

import { createConnection, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main as status } from '../../../commands/status.ts';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { freshNetns, run, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { slowness } from '../../../conformance/testing/slowness.ts';
import { IpSets } from '../../../shared/netlink/ipset.ts';
import { Ipvs } from '../../../shared/netlink/ipvs.ts';
import { address } from '../testing/ports.ts';
import { addNodeAddresses, once, StoreProxy } from '../testing/program.ts';
import { until } from '../testing/until.ts';
import { serverKeyOf, virtualServerOf } from './keys.ts';

const available = freshNetns() && kernelHas('ipvs', 'dummy');
const directory = new TemporaryDirectory();
afterAll(() => directory[Symbol.dispose]());
const PATIENCE = 10_000 * slowness;

const program = new StoreProxy(directory.path);
const configure = (mode: string): void =>
  program.configure(
    `mode: ${mode}\nipvs: {strictARP: true, scheduler: lc, syncPeriod: 5s}\nconntrack: {maxPerCore: 0}\n`,
  );
const daemon = program.daemon();

/** A pod that is not ready is not asked any more. */
const pod = (name: string, ip: string, ready: boolean): void =>
  program.put('Pod', name, 'web', {
    status: { podIPs: [{ ip }], conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  });

/** Opens a connection and tells who greets; it stays open. */
async function connect(host: string, port: number): Promise<{ by: string; socket: Socket }> {
  const socket = createConnection({ host, port });
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('silence')), PATIENCE / 2);
    socket.once('data', (data) => {
      clearTimeout(timer);
      resolve({ by: String(data), socket });
    });
    socket.once('error', reject);
  });
}
const ask = async (host: string, port: number): Promise<string> => {
  try {
    const { by, socket } = await connect(host, port);
    // What ends in order is remembered for two minutes.
    socket.resetAndDestroy();
    return by;
  } catch (error) {
    return String(error);
  }
};
const answers = async (host: string, port: number): Promise<void> => {
  const end = performance.now() + PATIENCE;
  for (let last = ''; !last.startsWith('10.244'); last = await ask(host, port))
    if (performance.now() > end) throw new Error(`${host} port ${port}: ${last}\n${log()}`);
};
const log = (): string => run('tail', '-n', '20', program.log);
const CLUSTER_IP = '10.96.0.10';
const endpoints = (): { at: string; weight: number; connections: number }[] => {
  using kernel = Ipvs.open();
  return kernel
    .realServers(virtualServerOf(serverKeyOf(address(CLUSTER_IP), 80, 'TCP')))
    .map(({ address: { value }, weight, activeConnections = 0, inactiveConnections = 0 }) => ({
      at: `10.244.1.${value & 0xffn}`,
      weight,
      connections: activeConnections + inactiveConnections,
    }));
};
const chains = (pattern: RegExp): string[] =>
  [run('iptables-nft-save'), run('ip6tables-nft-save')].join('\n').match(new RegExp(pattern, 'g')) ?? [];
const leftOfIpvs = (): unknown[] => {
  using kernel = Ipvs.open();
  using sets = IpSets.open();
  return [
    ...kernel.virtualServers(),
    ...sets.names(),
    ...(run('ip', '-o', 'link').match(/kube-ipvs0/g) ?? []),
    ...chains(/KUBE-(?:IPVS|LOAD-BALANCER|NODE-PORT|SOURCE)\S*/),
  ];
};

describe.skipIf(!available)('underpod proxy in mode ipvs', () => {
  beforeAll(async () => {
    addNodeAddresses('10.244.1.2', '10.244.1.3');
    // Greets, and says everything again.
    for (const host of ['10.244.1.2', '10.244.1.3']) {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.write(host);
        socket.pipe(socket);
      }).listen(8080, host);
      afterAll(() => server.close());
    }
    program.put('Service', 'web', 'web', {
      spec: {
        clusterIP: CLUSTER_IP,
        type: 'NodePort',
        selector: { app: 'web' },
        ports: [{ port: 80, targetPort: 8080, nodePort: 30_080 }],
      },
    });
    pod('web-1', '10.244.1.2', true);
    pod('web-2', '10.244.1.3', true);
    configure('ipvs');
    await daemon.start();
  }, PATIENCE * 2);
  afterAll(async () => {
    await daemon.stop();
  }, PATIENCE * 2);

  test(
    'serves, with the scheduler and the parameters that are asked for',
    async () => {
      await answers(CLUSTER_IP, 80);
      await answers('192.0.2.1', 30_080);
      for (const what of [[], ['service/web']]) {
        const end = performance.now() + PATIENCE;
        // Of an emulated processor the first programming takes more than `status` waits for an answer.
        while ((await status([...what, `--run-dir=${program.runDir}`])) !== 0)
          if (performance.now() > end) throw new Error(`status ${what.join('')} fails\n${log()}`);
      }
      using kernel = Ipvs.open();
      expect(new Set(kernel.virtualServers().map(({ scheduler }) => scheduler))).toEqual(new Set(['lc']));
      for (const [key, value] of [
        ['net.ipv4.vs.conntrack', '1'],
        ['net.ipv4.conf.all.arp_ignore', '1'],
        ['net.ipv4.conf.all.arp_announce', '2'],
      ] as const)
        expect(run('sysctl', '-n', key).trim()).toBe(value);
    },
    PATIENCE * 2,
  );

  test(
    'an endpoint that goes keeps its connections, gets no new ones, and is deleted with the last of them',
    async () => {
      const { by, socket } = await connect(CLUSTER_IP, 80);
      const [going, staying] = by === '10.244.1.2' ? ['web-1', '10.244.1.3'] : ['web-2', '10.244.1.2'];
      pod(going, by, false);
      await until('weight 0', () => endpoints().find(({ at }) => at === by)?.weight === 0, PATIENCE);
      for (let again = 0; again < 6; again += 1) expect(await ask(CLUSTER_IP, 80)).toBe(staying);
      const echo = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
      socket.write('still there?');
      expect(await echo).toBe('still there?');
      expect(endpoints().find(({ at }) => at === by)).toMatchObject({ weight: 0 });
      socket.resetAndDestroy();
      await until('its end', () => !endpoints().some(({ at }) => at === by), PATIENCE);
      pod(going, by, true);
      await until('both', () => endpoints().filter(({ weight }) => weight === 1).length === 2, PATIENCE);
    },
    PATIENCE * 3,
  );

  test(
    'what somebody takes away comes back',
    async () => {
      const disturbances: [what: string, () => void][] = [
        ['device', () => run('ip', 'link', 'delete', 'kube-ipvs0')],
        ['address', () => run('ip', 'address', 'delete', `${CLUSTER_IP}/32`, 'dev', 'kube-ipvs0')],
        ['rules', () => run('iptables-nft', '-t', 'nat', '-F', 'KUBE-SERVICES')],
      ];
      for (const [what, disturb] of disturbances) {
        disturb();
        await until(
          what,
          () =>
            run('ip', '-o', 'address').includes(`${CLUSTER_IP}/32`) &&
            chains(/-A KUBE-SERVICES -s 127.0.0.0\/8/).length === 1,
          PATIENCE,
        );
      }
      await answers(CLUSTER_IP, 80);
    },
    PATIENCE * 4,
  );

  test(
    'node ports follow the addresses of the node',
    async () => {
      run('ip', 'address', 'add', '198.51.100.9/32', 'dev', 'near');
      await answers('198.51.100.9', 30_080);
    },
    PATIENCE * 2,
  );

  test(
    'a restart changes nothing, and open connections go on',
    async () => {
      const { socket } = await connect(CLUSTER_IP, 80);
      const before = JSON.stringify(endpoints().map(({ at, weight }) => [at, weight]));
      await daemon.stop();
      expect(await ask(CLUSTER_IP, 80)).toMatch(/^10\.244/);
      await daemon.start();
      expect(JSON.stringify(endpoints().map(({ at, weight }) => [at, weight]))).toBe(before);
      const echo = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
      socket.write('still there?');
      expect(await echo).toBe('still there?');
      // What ends in order is remembered for two minutes, for which a change of the mode would wait.
      socket.resetAndDestroy();
    },
    PATIENCE * 4,
  );

  test.each(['iptables', 'nftables'])(
    'gives way to mode %s and takes over again, and leaves nothing of either',
    async (mode) => {
      configure(mode);
      try {
        await until(`${mode} only`, () => leftOfIpvs().length === 0, PATIENCE * 2);
      } catch (error) {
        throw new Error(`left: ${Bun.inspect(leftOfIpvs())}\n${log()}`, { cause: error });
      }
      await answers(CLUSTER_IP, 80);
      configure('ipvs');
      const left = (): string[] => [
        ...chains(/KUBE-(?:SVC|SEP|NODEPORTS|EXTERNAL-SERVICES|PROXY-CANARY)\S*/),
        ...(run('nft', 'list', 'tables').match(/underpod-proxy/g) ?? []),
      ];
      await until('ipvs only', () => endpoints().length === 2 && left().length === 0, PATIENCE * 2);
      await answers(CLUSTER_IP, 80);
    },
    PATIENCE * 6,
  );

  test(
    'is cleaned up',
    async () => {
      await daemon.stop();
      expect(once('--cleanup', ...program.flags)).toEqual([0, expect.anything()]);
      expect(leftOfIpvs()).toEqual([]);
      expect(chains(/KUBE-(?!FIREWALL|IPTABLES-HINT|KUBELET)\S*/)).toEqual([]);
      await daemon.start();
    },
    PATIENCE * 4,
  );
});
