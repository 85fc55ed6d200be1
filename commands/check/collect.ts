/** Collects the facts: from the agent's socket, the kernel, files and peers. Changes nothing. */

import { existsSync, readdirSync } from 'node:fs';
import type { Kernel } from '../../cni/agent/kernel/kernel.ts';
import { LinuxKernel } from '../../cni/agent/kernel/linux-kernel.ts';
import type { AgentStatus } from '../../cni/agent/status.ts';
import { parseNetConf } from '../../shared/config/net-conf.ts';
import { formatCidr } from '../../shared/ip/cidr.ts';
import { errorText } from '../../shared/log/format.ts';
import { connectionProblem } from '../../shared/net/connection-problem.ts';
import { IFF, type Link } from '../../shared/netlink/codec/link.ts';
import { isClockSynchronised } from '../../shared/sys/clock-state.ts';
import { readFile, readTextIfExists } from '../../shared/sys/file.ts';
import { DMI_FIELDS, type Dmi } from './cloud/provider.ts';
import type { Facts, LinkFact } from './facts.ts';
import { presences } from './features.ts';
import { forwardDrops, tunnelInput } from './filters.ts';
import { probePeers } from './probe-peers.ts';
import { parseSubnetEnv } from './subnet-env.ts';
import { trafficOf } from './traffic.ts';

export interface CollectOptions {
  readonly runDir: string;
  readonly netConfigPath: string;
  readonly subnetFile: string;
  /** Ask at most so many peers; 0: none. */
  readonly probePeers: number;
}

/** The agent answers at once if it answers. */
const AGENT_TIMEOUT = 2000;

export async function collect(options: CollectOptions): Promise<Facts> {
  using kernel = LinuxKernel.open();
  const agent = await askAgent(`${options.runDir}/agent.sock`);
  const status = 'apiVersion' in agent ? agent : undefined;
  const backend = attempt(() => parseNetConf(readTextIfExists(options.netConfigPath) ?? '').backend);
  const links = listLinks(kernel);
  const subnetEnv = attempt(() => readTextIfExists(options.subnetFile));
  const networks = status?.networks ?? parseSubnetEnv(subnetEnv ?? '').networks;
  const traffic = trafficOf(status, backend, links);
  const forward = await forwardDrops(kernel, networks, status);
  return {
    agent,
    backend,
    features: readFeatures(kernel.readSysctl('kernel/osrelease') ?? ''),
    sysctls: readSysctls(kernel, links),
    links,
    subnetEnv,
    ...forward,
    tunnelInput: status && (await tunnelInput(kernel, traffic, status)),
    dmi: readDmi(),
    probes: status ? probePeers(status, traffic, options.probePeers) : [],
    clockSynchronised: isClockSynchronised(),
    now: Date.now(),
  };
}

async function askAgent(socket: string): Promise<AgentStatus | { readonly why: string }> {
  if (!existsSync(socket)) return { why: `there is no ${socket}` };
  try {
    const signal = AbortSignal.timeout(AGENT_TIMEOUT);
    const response = await fetch('http://localhost/v1/status', { unix: socket, signal });
    if (response.status === 503) return { why: (await response.text()).trim() };
    if (!response.ok) return { why: `HTTP ${response.status} at ${socket}` };
    return (await response.json()) as AgentStatus;
  } catch (error) {
    return { why: `${connectionProblem(error) ?? errorText(error)} (${socket})` };
  }
}

/** The interfaces; with their ports as the kernel has them. */
export function listLinks(kernel: Kernel): LinkFact[] {
  const names = kernel.readNetwork([]).links.filter((link) => kindOf(link) === 'wireguard');
  const { links, addresses, wireguard } = kernel.readNetwork(names.map(({ name }) => name));
  return links.map((link) => {
    const { index, name, mtu = 0, flags, kind, master } = link;
    const port =
      kind?.kind === 'vxlan' ? kind.port : wireguard.find((device) => device.index === index)?.listenPort;
    return {
      index,
      name,
      kind: kindOf(link),
      mtu,
      up: (flags & IFF.UP) !== 0,
      ...(master !== undefined && { master }),
      ...(port !== undefined && { port }),
      addresses: addresses
        .filter((address) => address.index === index)
        .map(({ address }) => formatCidr(address)),
    };
  });
}

/** Kinds of whose attributes nothing is known here have their name beside. */
function kindOf({ kind }: Link): string {
  return (kind?.kind === 'other' ? kind.name : kind?.kind) ?? '';
}

function readSysctls(kernel: Kernel, links: readonly LinkFact[]): Record<string, string> {
  const keys = [
    'net/ipv4/ip_forward',
    'net/ipv6/conf/all/forwarding',
    'net/ipv4/conf/all/rp_filter',
    'net/bridge/bridge-nf-call-iptables',
    ...links
      .filter(({ kind }) => kind !== 'veth')
      .flatMap(({ name }) => [
        `net/ipv4/conf/${name}/forwarding`,
        `net/ipv6/conf/${name}/forwarding`,
        `net/ipv4/conf/${name}/rp_filter`,
      ]),
  ];
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = kernel.readSysctl(key);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

function readFeatures(release: string): ReturnType<typeof presences> {
  const directory = `/lib/modules/${release}`;
  return presences({
    modules: attempt(() => readdirSync('/sys/module')) ?? [],
    builtin: attempt(() => readTextIfExists(`${directory}/modules.builtin`)),
    loadable: attempt(() => readTextIfExists(`${directory}/modules.dep`)),
    config: attempt(() => readConfig(release)),
  });
}

/** Kernels keep their configuration in themselves, or distributions beside them. */
function readConfig(release: string): string | undefined {
  const packed = attempt(() => readFile('/proc/config.gz'));
  if (packed) return new TextDecoder().decode(Bun.gunzipSync(new Uint8Array(packed)));
  return readTextIfExists(`/boot/config-${release}`);
}

function readDmi(): Dmi {
  return Object.fromEntries(
    DMI_FIELDS.flatMap((field) => {
      const text = attempt(() => readTextIfExists(`/sys/class/dmi/id/${field}`))?.trim();
      return text === undefined || text === '' ? [] : [[field, text]];
    }),
  );
}

/** What cannot be read is not known. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
