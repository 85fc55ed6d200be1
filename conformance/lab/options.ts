/** The lab's command line: flags, and the variables that `make up NODES=3 IPV=4` hands on in the environment. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { families, type IpVersions, MAX_NODES } from './addresses.ts';
import { BACKENDS, type BackendName, labBackend } from './backends.ts';
import type { CheckRequest } from './checks/all.ts';
import { STORES, type StoreName } from './stores/store.ts';

/** Directory of the checkout; labs of several checkouts are told apart by it. */
export const checkout: string = resolve(import.meta.dirname, '../..');

/** Which iptables sets the FORWARD policy DROP on the one node that drops. */
export type Firewall = 'legacy' | 'nft' | 'none';

/** What a lab is built with; the holder keeps it for its life. */
export interface LabOptions {
  readonly nodes: number;
  readonly ipv: IpVersions;
  /** The compiled executable, absolute. */
  readonly binary: string;
  /** Whether the agents put back what someone deletes. */
  readonly repair: boolean;
  readonly firewall: Firewall;
  /** Where agents keep their leases. */
  readonly store: StoreName;
  readonly backend: BackendName;
  /** Whether nodes have a service proxy, and pods services: where the store is the embedded one. */
  readonly services: boolean;
  /** Numbers of the nodes whose agent is flanneld. */
  readonly flannel: readonly number[];
}

export interface CommandLine {
  readonly command: string;
  /** Tells labs of one checkout apart. */
  readonly name: string;
  readonly options: LabOptions;
  readonly checks: boolean;
  readonly request: CheckRequest;
  /** Print events as lines of JSON, for tests. */
  readonly json: boolean;
  readonly positionals: readonly string[];
  /** What follows `--`. */
  readonly rest: readonly string[];
}

/** The command line cannot be understood; the message says what to write instead. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

export const usage: string = `The lab: nodes in namespaces of their own on one machine, joined by a pod network, checked path by path.

  up      build the lab, check every path, leave it running (replaces one that is there)
  check   run the checks again
  status  nodes, subnets, pods
  shell   NODE [-- COMMAND…]    a shell on a node
  break   WHAT [NODE]           spoil a path, to see the table fail: fdb, route, device, mtu, mtu-raised,
                                masquerade, forward
  heal    WHAT [NODE]           the same, and how long the agent takes to put it right
  mend    NODE                  start the node's agent again, which puts everything right
  agent   NODE PROGRAM          underpod or flanneld becomes the node's agent
  reboot  NODE PROGRAM          the same after a power cut
  changeover [NODE]             from flanneld to underpod and back while pods talk, and what they see of it
  server  ACT                   pause, resume, stop, kill or start: the API server, or etcd where that is the store
  dump                          what agents have written to the store, as JSON
  down    remove it

  --nodes N         nodes (default 3; or NODES)
  --ipv 4|6|dual    IP families (default dual; or IPV)
  --store S         embedded, etcd or kubernetes (default embedded; or STORE): a file, Debian's etcd, a real API server
  --backend B       vxlan, vxlan-direct, host-gw, wireguard, ipip or ipip-direct (default vxlan; or BACKEND)
  --flannel A,B     on these nodes the agent is flanneld (default none; or FLANNEL)
  --name NAME       name of the lab, to have several (default "default"; or LAB)
  --binary PATH     the compiled executable (default dist/underpod-linux-ARCH)
  --firewall F      legacy, nft or none: the iptables whose FORWARD chain drops on node2
                    (default legacy where it is installed)
  --services=false  no service proxies, and no services
  --repair=false    agents do not put back what someone deletes
  --no-checks       up: do not check
  --json            print what happens as lines of JSON
  --quick           without the checks that kill something
  --only A,B        these checks: same-node, forward, other-icmp, other-udp, other-tcp, other-10mb, mtu, pod-node,
                    node-pod, no-nat-same, no-nat-other, no-nat-self, outside, service, node-port, affinity (with /4 or
                    /6 for one family), rolling-update, agent-killed, agent-restarted, node-restarted, node-removed
`;

/**
 * Parses the arguments after the program's name.
 *
 * @throws UsageError
 */
export function parseCommandLine(
  args: string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandLine {
  const dashes = args.indexOf('--');
  const own = dashes < 0 ? args : args.slice(0, dashes);
  const { values, positionals } = parse(own);
  const [command = 'help', ...rest] = positionals;
  const nodes = nodeCount(values.nodes ?? env['NODES'] ?? '3');
  const backend = oneOf('--backend', values.backend ?? env['BACKEND'] ?? 'vxlan', BACKENDS);
  const ipv = oneOf('--ipv', values.ipv ?? env['IPV'] ?? 'dual', ['4', '6', 'dual'] as const);
  const missing = families(ipv).find((family) => !labBackend(backend).carries.includes(family));
  if (missing !== undefined) throw new UsageError(`backend ${backend} carries no IPv${missing}: use --ipv 4`);
  const store = oneOf('--store', values.store ?? env['STORE'] ?? 'embedded', STORES);
  const flannel = nodeNumbers(values.flannel ?? env['FLANNEL'] ?? '', nodes);
  if (flannel.length > 0 && store === 'embedded')
    throw new UsageError('flanneld knows no embedded store: use --store etcd or kubernetes');
  return {
    command: values.help === true ? 'help' : command,
    name: labName(values.name ?? env['LAB'] ?? 'default'),
    options: {
      nodes,
      ipv,
      binary: resolve(
        values.binary ?? `${checkout}/dist/underpod-linux-${process.arch === 'x64' ? 'amd64' : 'arm64'}`,
      ),
      repair: yesOrNo('--repair', values.repair),
      firewall: oneOf('--firewall', values.firewall ?? defaultFirewall(), ['legacy', 'nft', 'none'] as const),
      store,
      backend,
      services: store === 'embedded' && yesOrNo('--services', values.services),
      flannel,
    },
    checks: values['no-checks'] !== true,
    request: { only: values.only?.split(','), quick: values.quick === true },
    json: values.json === true,
    positionals: rest,
    rest: dashes < 0 ? [] : args.slice(dashes + 1),
  };
}

const flags = {
  nodes: { type: 'string' },
  ipv: { type: 'string' },
  store: { type: 'string' },
  backend: { type: 'string' },
  flannel: { type: 'string' },
  name: { type: 'string' },
  binary: { type: 'string' },
  firewall: { type: 'string' },
  repair: { type: 'string' },
  services: { type: 'string' },
  only: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'boolean' },
  'no-checks': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parse(
  args: string[],
): ReturnType<typeof parseArgs<{ options: typeof flags; allowPositionals: true }>> {
  try {
    return parseArgs({ args, options: flags, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function oneOf<T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new UsageError(`${flag} is "${value}": use one of ${allowed.join(', ')}`);
  return found;
}

/** Yes unless it says no. */
function yesOrNo(flag: string, value: string | undefined): boolean {
  return oneOf(flag, value ?? 'true', ['true', 'false'] as const) === 'true';
}

/** A node's number, from 1, as a person writes it: `2` or `node2`. */
export function nodeNumber(text: string): number {
  const number = Number(text.replace(/^node/, ''));
  if (!Number.isInteger(number) || number < 1) throw new UsageError(`"${text}" is no node: write 1, 2, …`);
  return number;
}

/** `1,3`. */
function nodeNumbers(text: string, nodes: number): number[] {
  const numbers = text.split(',').filter(Boolean).map(nodeNumber);
  const beyond = numbers.find((number) => number > nodes);
  if (beyond !== undefined) throw new UsageError(`--flannel names node ${beyond}, and there are ${nodes}`);
  return numbers;
}

function nodeCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MAX_NODES) {
    throw new UsageError(`--nodes is "${text}": use a number from 1 to ${MAX_NODES}`);
  }
  return count;
}

function labName(text: string): string {
  // It becomes part of the path of a unix socket, which holds 107 characters (unix(7)).
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(text)) {
    throw new UsageError(`--name is "${text}": use up to 32 small letters, digits and dashes`);
  }
  return text;
}

function defaultFirewall(): Firewall {
  const installed = (tool: string): boolean =>
    ['/usr/sbin', '/sbin', '/usr/bin'].some((directory) => existsSync(`${directory}/${tool}`));
  if (installed('iptables-legacy')) return 'legacy';
  return installed('iptables-nft') ? 'nft' : 'none';
}
