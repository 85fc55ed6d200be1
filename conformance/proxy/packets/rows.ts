/**
 * What services promise, row by row: who answers which client, which address it sees, and how a refusal looks. The same
 * for every mode and both families.
 */

import { afterEach, describe, expect, test } from 'vitest';
import type { Mode, ModeSettings } from '../../../cni/proxy/mode.ts';
import type { Endpoint, Family } from '../../../cni/proxy/model/endpoint.ts';
import type { Frontend, ServicePort } from '../../../cni/proxy/model/service-port.ts';
import { Ports } from '../../../cni/proxy/testing/ports.ts';
import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import {
  ADDRESSES,
  type Addresses,
  type Client,
  endpointOfServer,
  packedAddress,
  type Server,
} from './addresses.ts';
import type { Answer, Cluster } from './cluster.ts';

/** A mode under test. */
export interface Subject {
  readonly name: string;
  /** Makes it; it programs the calling thread's namespace. */
  readonly make: (settings: ModeSettings) => Mode & Disposable;
  /** Titles of what it does otherwise by its nature, as kube-proxy's same mode, and how. */
  readonly differs?: Readonly<Record<string, string>>;
}

/** `refused`, `silence`, or who may answer and what it sees: the client's own address, or one of the node's. */
export type Expected =
  | 'refused'
  | 'silence'
  | { readonly by: readonly Server[]; readonly sees: 'client' | 'node' };

const ALL: readonly Server[] = ['local1', 'local2', 'remote1', 'remote2'];
const LOCAL: readonly Server[] = ['local1', 'local2'];
const REMOTE: readonly Server[] = ['remote1', 'remote2'];

const kept = (by: readonly Server[] = ALL): Expected => ({ by, sees: 'client' });
const masked = (by: readonly Server[] = ALL): Expected => ({ by, sees: 'node' });

interface FrontendText {
  readonly kind: Frontend['kind'];
  readonly address?: string;
  readonly port: number;
  readonly policy?: Frontend['policy'];
}

interface Row {
  readonly title: string;
  readonly frontends: readonly FrontendText[];
  readonly endpoints?: readonly Server[];
  readonly affinity?: number;
  readonly sources?: readonly string[];
  readonly settings?: Partial<ModeSettings>;
  /** Client, address, port, what it gets. */
  readonly asks: readonly (readonly [Client, string, number, Expected])[];
}

const NODE_PORT = 30_080;

function rowsOf(at: Addresses): Row[] {
  const [ip, second] = at.clusterIps;
  const [external, vip] = at.externalIps;
  const clusterIp = { kind: 'cluster-ip', address: ip, port: 80 } as const;
  const externalIp = { kind: 'external-ip', address: external, port: 80 } as const;
  const balancer = { kind: 'load-balancer', address: vip, port: 80 } as const;
  const nodePort = { kind: 'node-port', port: NODE_PORT } as const;
  const local = { policy: 'local' } as const;
  const nothing = { localDetector: { by: 'nothing' } } as const;
  return [
    {
      title: 'a ClusterIP: pods are seen, whoever comes from outside the pod network is masqueraded',
      frontends: [clusterIp],
      asks: [
        ['pod', ip, 80, kept()],
        ['node', ip, 80, masked()],
        ['outside', ip, 80, masked()],
      ],
    },
    {
      title: 'a ClusterIP without a way to tell pods: nobody is masqueraded',
      frontends: [clusterIp],
      endpoints: LOCAL,
      settings: nothing,
      asks: [
        ['pod', ip, 80, kept(LOCAL)],
        ['outside', ip, 80, kept(LOCAL)],
      ],
    },
    {
      title: 'a ClusterIP where everybody is to be masqueraded',
      frontends: [clusterIp],
      settings: { masqueradeAll: true },
      asks: [
        ['pod', ip, 80, masked()],
        ['outside', ip, 80, masked()],
      ],
    },
    {
      title: 'pods are told by the prefix of their interfaces',
      frontends: [clusterIp],
      settings: { localDetector: { by: 'interface-prefix', prefix: 'veth-' } },
      asks: [
        ['pod', ip, 80, kept()],
        ['outside', ip, 80, masked()],
      ],
    },
    {
      title: 'an external IP, an address of a load balancer, a node port: always masqueraded',
      frontends: [externalIp, balancer, nodePort],
      asks: [
        ['pod', external, 80, masked()],
        ['node', external, 80, masked()],
        ['outside', external, 80, masked()],
        ['pod', vip, 80, masked()],
        ['outside', vip, 80, masked()],
        ['pod', at.nodeOutside, NODE_PORT, masked()],
        ['node', at.nodeOutside, NODE_PORT, masked()],
        ['outside', at.nodeOutside, NODE_PORT, masked()],
      ],
    },
    {
      title:
        'externalTrafficPolicy Local: pods and the node are served by all, others by what runs here, and are seen',
      frontends: [
        { ...balancer, ...local },
        { ...externalIp, ...local },
        { ...nodePort, ...local },
      ],
      asks: [
        ['pod', vip, 80, kept()],
        ['node', vip, 80, masked()],
        ['outside', vip, 80, kept(LOCAL)],
        ['outside', external, 80, kept(LOCAL)],
        ['outside', at.nodeOutside, NODE_PORT, kept(LOCAL)],
        ['pod', at.nodeOutside, NODE_PORT, kept()],
      ],
    },
    {
      title:
        'externalTrafficPolicy Local without an endpoint here: silence for others, so that they look elsewhere',
      frontends: [
        { ...balancer, ...local },
        { ...nodePort, ...local },
      ],
      endpoints: REMOTE,
      asks: [
        ['outside', vip, 80, 'silence'],
        ['outside', at.nodeOutside, NODE_PORT, 'silence'],
        ['pod', vip, 80, kept(REMOTE)],
        ['node', vip, 80, masked(REMOTE)],
      ],
    },
    {
      title: 'internalTrafficPolicy Local: by what runs here',
      frontends: [{ ...clusterIp, ...local }, externalIp],
      asks: [
        ['pod', ip, 80, kept(LOCAL)],
        ['node', ip, 80, masked(LOCAL)],
        ['outside', external, 80, masked()],
      ],
    },
    {
      title: 'internalTrafficPolicy Local without an endpoint here: silence',
      frontends: [{ ...clusterIp, ...local }, externalIp],
      endpoints: REMOTE,
      asks: [
        ['pod', ip, 80, 'silence'],
        ['node', ip, 80, 'silence'],
        ['outside', external, 80, masked(REMOTE)],
      ],
    },
    {
      title: 'no endpoint at all: refused, on every address and the node port',
      frontends: [clusterIp, externalIp, { ...balancer, ...local }, nodePort],
      endpoints: [],
      asks: [
        ['pod', ip, 80, 'refused'],
        ['node', ip, 80, 'refused'],
        ['outside', external, 80, 'refused'],
        ['outside', vip, 80, 'refused'],
        ['outside', at.nodeOutside, NODE_PORT, 'refused'],
        ['pod', at.nodeOutside, NODE_PORT, 'refused'],
        ['node', at.nodeOutside, NODE_PORT, 'refused'],
      ],
    },
    {
      title: 'another port of a ClusterIP is refused, an address that no Service has is silent',
      frontends: [clusterIp],
      asks: [
        ['pod', ip, 81, 'refused'],
        ['node', ip, 81, 'refused'],
        ['pod', at.unusedClusterIp, 80, 'silence'],
        ['node', at.unusedClusterIp, 80, 'silence'],
      ],
    },
    {
      title: 'source ranges: for the addresses of load balancers alone, pods included',
      frontends: [clusterIp, externalIp, balancer, nodePort],
      sources: [at.outsideNetwork],
      asks: [
        ['outside', vip, 80, masked()],
        ['stranger', vip, 80, 'silence'],
        ['pod', vip, 80, 'silence'],
        ['node', vip, 80, 'silence'],
        ['stranger', external, 80, masked()],
        ['stranger', at.nodeOutside, NODE_PORT, masked()],
        ['pod', ip, 80, kept()],
      ],
    },
    {
      title: 'source ranges with the pod network and policy Local',
      frontends: [{ ...balancer, ...local }],
      sources: [at.podNetwork, at.outsideNetwork],
      asks: [
        ['pod', vip, 80, kept()],
        ['outside', vip, 80, kept(LOCAL)],
        ['stranger', vip, 80, 'silence'],
      ],
    },
    {
      title: 'source ranges without endpoints: who may is refused, who may not hears nothing',
      frontends: [balancer],
      sources: [at.outsideNetwork],
      endpoints: [],
      asks: [
        ['outside', vip, 80, 'refused'],
        ['stranger', vip, 80, 'silence'],
      ],
    },
    {
      title: 'an endpoint that asks itself sees the node',
      frontends: [clusterIp, { ...nodePort, ...local }],
      endpoints: ['local1'],
      asks: [
        ['local1', ip, 80, masked(['local1'])],
        ['local2', ip, 80, kept(['local1'])],
        ['local1', at.nodeOutside, NODE_PORT, masked(['local1'])],
      ],
    },
    {
      title: 'node ports on some addresses only, never on loopback ones',
      frontends: [nodePort],
      settings: {
        nodePortAddresses: [
          cidr(`${at.node[1]}/${at.family === 4 ? 32 : 128}`),
          cidr(at.family === 4 ? '127.0.0.0/8' : '::1/128'),
        ],
      },
      asks: [
        ['outside', at.node[1] as string, NODE_PORT, masked()],
        ['outside', at.nodeOutside, NODE_PORT, 'refused'],
        ['node', at.loopback, NODE_PORT, 'refused'],
      ],
    },
    {
      title: 'session affinity, with the policies of each address',
      frontends: [
        clusterIp,
        { ...balancer, ...local },
        nodePort,
        { ...clusterIp, address: second, ...local },
      ],
      affinity: 100,
      asks: [
        ['pod', ip, 80, kept()],
        ['node', ip, 80, masked()],
        ['outside', vip, 80, kept(LOCAL)],
        ['pod', vip, 80, kept()],
        ['outside', at.nodeOutside, NODE_PORT, masked()],
        ['pod', second, 80, kept(LOCAL)],
      ],
    },
    {
      title: 'session affinity without an endpoint here',
      frontends: [clusterIp, { ...balancer, ...local }],
      endpoints: REMOTE,
      affinity: 100,
      asks: [
        ['pod', ip, 80, kept(REMOTE)],
        ['outside', vip, 80, 'silence'],
      ],
    },
  ];
}

const PING = 'a ping of a ClusterIP is refused, one of an address that no Service has is not answered';
const AFFINITY = 'with session affinity a client stays, until its endpoint goes';

/** Tests of all rows. @param cluster made once a file; the node is the test's own namespace */
export function packetRows(cluster: () => Cluster, subject: Subject): void {
  let mode: (Mode & Disposable) | undefined;
  for (const [title, how] of Object.entries(subject.differs ?? {}))
    process.stderr.write(`${subject.name}: not "${title}": ${how}\n`);
  afterEach(async () => {
    await mode?.cleanUp();
    mode?.[Symbol.dispose]();
    mode = undefined;
    cluster().forgetFlows();
  });
  describe.each([4, 6] as const)(`${subject.name}, IPv%i`, (family) => {
    const at = ADDRESSES[family];
    const holds = ({ title }: Row): boolean => !(title in (subject.differs ?? {}));
    test.each(
      rowsOf(at)
        .filter(holds)
        .map((row) => [row.title, row] as const),
    )('%s', async (_, row) => {
      mode = subject.make(settingsOf(family, row.settings));
      expect(await mode.replace(new Ports(portOf(at, row, 'TCP'), portOf(at, row, 'UDP')))).toMatchObject({
        refused: [],
      });
      const answers = row.asks.flatMap(([from, to, port, expected]) =>
        (['tcp', 'udp'] as const).map(async (protocol) => {
          const answer = await cluster().ask({ from, to, port, protocol }, expected === 'silence');
          return [`${from} asks ${to} port ${port}/${protocol}`, judge(at, from, expected, answer)] as const;
        }),
      );
      for (const [words, answer] of await Promise.all(answers))
        expect({ words, answer }).toEqual({ words, answer: 'as it should be' });
    });

    test.skipIf(PING in (subject.differs ?? {}))(PING, async () => {
      mode = subject.make(settingsOf(family));
      const [ip] = at.clusterIps;
      const row = {
        title: '',
        frontends: [{ kind: 'cluster-ip', address: ip, port: 80 }],
        asks: [],
      } as const;
      await mode.replace(new Ports(portOf(at, row, 'TCP')));
      expect(await cluster().ping('pod', ip)).toBe('refused');
      expect(await cluster().ping('node', ip)).toBe('refused');
      expect(await cluster().ping('pod', at.unusedClusterIp, true)).toBe('silence');
      expect(await cluster().ping('pod', at.servers.local1)).toBe('echo');
    });

    test('every endpoint has its share of the connections', async () => {
      mode = subject.make(settingsOf(family));
      const [ip] = at.clusterIps;
      const row = {
        title: '',
        frontends: [{ kind: 'cluster-ip', address: ip, port: 80 }],
        asks: [],
      } as const;
      await mode.replace(new Ports(portOf(at, row, 'UDP')));
      const counts = new Map<Server, number>();
      for (let connection = 0; connection < CONNECTIONS; connection += 1) {
        const answer = await cluster().ask({ from: 'pod', to: ip, port: 80, protocol: 'udp' });
        if (typeof answer === 'object') counts.set(answer.by, (counts.get(answer.by) ?? 0) + 1);
      }
      const share = CONNECTIONS / ALL.length;
      const chiSquared = ALL.reduce(
        (sum, server) => sum + ((counts.get(server) ?? 0) - share) ** 2 / share,
        0,
      );
      expect(chiSquared, JSON.stringify([...counts])).toBeLessThan(UNLIKELY);
    });

    test.skipIf(AFFINITY in (subject.differs ?? {}))(AFFINITY, async () => {
      mode = subject.make(settingsOf(family));
      const [ip] = at.clusterIps;
      const [, vip] = at.externalIps;
      const row: Row = {
        title: '',
        frontends: [
          { kind: 'cluster-ip', address: ip, port: 80 },
          { kind: 'load-balancer', address: vip, port: 80 },
        ],
        affinity: 100,
        asks: [],
      };
      await mode.replace(new Ports(portOf(at, row, 'TCP')));
      const ask = async (from: Client, to: string): Promise<string> => {
        const answer = await cluster().ask({ from, to, port: 80, protocol: 'tcp' });
        return typeof answer === 'string' ? answer : answer.by;
      };
      const first = (await ask('pod', ip)) as Server;
      // By whichever of the port's addresses.
      for (let again = 0; again < 15; again += 1)
        expect(await ask('pod', again % 2 === 0 ? ip : vip)).toBe(first);
      const left = ALL.filter((server) => server !== first);
      const fewer = new Ports(portOf(at, { ...row, endpoints: left }, 'TCP'));
      await mode.update(fewer, new Set(['packets/row:tcp']));
      const second = await ask('pod', ip);
      expect(left).toContain(second);
      for (let again = 0; again < 10; again += 1) expect(await ask('pod', ip)).toBe(second);
    });
  });
}

const CONNECTIONS = 400;

/** Chi-squared with three degrees of freedom is beyond this once in a million. */
const UNLIKELY = 30.7;

/** Puts an answer that is none of the expected ones into words. */
function judge(at: Addresses, from: Client, expected: Expected, answer: Answer): string {
  const right = 'as it should be';
  if (typeof answer === 'string') return answer === expected ? right : answer;
  const { by, source } = answer;
  const words = `${by}, which sees ${source}`;
  if (typeof expected === 'string' || !expected.by.includes(by)) return words;
  const allowed = expected.sees === 'node' || from === 'node' ? at.node : [at.clients[from]];
  return allowed.includes(source) ? right : words;
}

export function settingsOf(family: Family, more: Partial<ModeSettings> = {}): ModeSettings {
  const at = ADDRESSES[family];
  return {
    family,
    masqueradeBit: 14,
    masqueradeAll: false,
    localDetector: { by: 'source', networks: [cidr(at.podNetwork)] },
    nodePortAddresses: 'all',
    serviceCidrs: [cidr(at.serviceNetwork)],
    ...more,
  };
}

function portOf(at: Addresses, row: Row, protocol: 'TCP' | 'UDP'): ServicePort {
  const servers = row.endpoints ?? ALL;
  const endpoints = (among: readonly Server[]): Endpoint[] =>
    servers.filter((server) => among.includes(server)).map((server) => endpointOfServer(at, server));
  return {
    name: `packets/row:${protocol.toLowerCase()}`,
    service: 'packets/row',
    protocol,
    frontends: row.frontends.map(({ kind, address, port, policy = 'cluster' }) => ({
      kind,
      port,
      policy,
      ...(address !== undefined && { address: packedAddress(address) }),
    })),
    endpoints: endpoints(ALL),
    localEndpoints: endpoints(LOCAL),
    ...(row.affinity !== undefined && { affinity: row.affinity }),
    ...(row.sources !== undefined && { sourceRanges: row.sources.map(cidr) }),
  };
}

function cidr(text: string): Cidr {
  const found = parseCidr(text);
  if (found === undefined) throw new Error(`not a network: ${text}`);
  return found;
}
