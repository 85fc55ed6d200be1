/**
 * What the types make of a call before they ask the kernel. The types are found, not listed: a type's `config.ts` exports
 * functions `read…Config` (or `readLimits`), or an object with a function `read`, called with the configuration and
 * CNI_ARGS.
 */

import type { readLimits } from '../../../cni/plugins/bandwidth/config.ts';
import { tokenBucket } from '../../../cni/plugins/bandwidth/token-bucket.ts';
import { planAddresses } from '../../../cni/plugins/bridge/gateways.ts';
import { wantedOf } from '../../../cni/plugins/firewall/config.ts';
import { planIptablesAdd } from '../../../cni/plugins/firewall/iptables-rules.ts';
import { addLines } from '../../../cni/plugins/portmap/iptables-rules.ts';
import { targetsOf } from '../../../cni/plugins/portmap/target.ts';
import { pluginTypes } from '../../../cni/plugins/registry.ts';
import { type readTuningConfig, sysctlOf } from '../../../cni/plugins/tuning/config.ts';
import { bridgeKeys } from '../../../cni/plugins/underpod/config.ts';
import { refuseUnsupported } from '../../../cni/plugins/underpod/refuse.ts';
import type { CniArgs } from '../../../cni/protocol/args.ts';
import { type NetConf, netConfFromObject } from '../../../cni/protocol/net-conf.ts';
import type { Result } from '../../../cni/protocol/result.ts';
import { must } from '../target.ts';

type Reader = (conf: NetConf, args: CniArgs) => unknown;

/** A type that has no keys of its own. */
const keyless: readonly string[] = ['loopback'];

/** What a type makes of its keys and of prevResult together, without I/O; what it would send is judged here. */
const plans: Readonly<Record<string, (keys: never, previous: Result) => void>> = {
  bandwidth(limits: ReturnType<typeof readLimits>): void {
    for (const limit of [limits?.ingress, limits?.egress]) {
      if (!limit) continue;
      const { rate, limit: waiting, buffer } = tokenBucket(limit, 'x64');
      for (const number of [rate.rate, waiting, buffer])
        must(Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff, 'the kernel takes the number');
    }
  },
  bridge(config: Parameters<typeof planAddresses>[1], previous: Result): void {
    planAddresses(previous, config);
  },
  firewall(config: Parameters<typeof wantedOf>[0], previous: Result): void {
    for (const line of planIptablesAdd(new Map(), wantedOf(config, previous))) mustBeOneLine(line);
  },
  portmap(config: Parameters<typeof addLines>[1], previous: Result): void {
    if (config.backend !== 'iptables') return;
    for (const target of targetsOf(previous, 'eth0'))
      for (const line of addLines('', config, 'net', 'pod', target)) mustBeOneLine(line);
  },
  tuning({ sysctls }: ReturnType<typeof readTuningConfig>): void {
    for (const sysctl of sysctls) {
      const path = sysctlOf(sysctl, 'eth0.5');
      must(/^net\/[^\0]+$/.test(path) && !/(^|\/)\.{0,2}(\/|$)/.test(path), 'a parameter is of the network');
    }
  },
};

function mustBeOneLine(line: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  must(/^[^\x00-\x1f\x7f]+$/.test(line), `a rule is one line of text: ${JSON.stringify(line)}`);
}

const readers: ReadonlyMap<string, readonly Reader[]> = new Map(
  await Promise.all(
    pluginTypes.map(async (type): Promise<[string, readonly Reader[]]> => [type, await readersOf(type)]),
  ),
);

async function readersOf(type: string): Promise<Reader[]> {
  if (keyless.includes(type)) return [];
  const path = `${import.meta.dirname}/../../../cni/plugins/${type}/config.ts`;
  const found: Reader[] = type === 'underpod' ? [readUnderpod] : [];
  for (const [name, value] of Object.entries((await import(path)) as Record<string, unknown>)) {
    if (typeof value === 'function' && /^read(\w*Config|Limits)$/.test(name)) found.push(value as Reader);
    const { read } = typeof value === 'object' && value !== null ? (value as { read?: unknown }) : {};
    if (typeof read === 'function') found.push((conf, args) => read.call(value, conf, args));
  }
  if (found.length === 0) throw new Error(`the fuzzer finds nothing that reads the keys of type ${type}`);
  return found;
}

/** The subnet is the node's: see the target plugin-config. */
function readUnderpod(conf: NetConf, args: CniArgs): void {
  refuseUnsupported(conf);
  readKeys('bridge', netConfFromObject({ ...bridgeKeys(conf), type: 'bridge' }), args);
}

/** Reads the keys of a type, of the type that gives it addresses, and what they make of prevResult. */
export function readKeys(type: string, conf: NetConf, args: CniArgs): void {
  for (const read of readers.get(type) ?? []) {
    const keys = read(conf, args);
    if (conf.prevResult) plans[type]?.(keys as never, conf.prevResult);
  }
  const ipam = conf.ipam?.type ?? '';
  if (ipam !== type && readers.has(ipam)) readKeys(ipam, { ...conf, type: ipam }, args);
}
