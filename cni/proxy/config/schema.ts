/**
 * The shape of a KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1 (k8s.io/kube-proxy, config/v1alpha1): every key
 * that any release from 1.28 on reads. `null` counts as absent, as in Go; so do zero values, which is what kubeadm writes
 * for whatever it leaves to kube-proxy. Pure.
 */

import * as v from 'valibot';
import type { Configuration } from './configuration.ts';
import { parseGoDuration } from './go-duration.ts';

const text = v.nullish(v.string('must be text'));
const YES: readonly unknown[] = ['yes', 'Yes', 'YES', 'on', 'On', 'ON', 'y', 'Y'];
const NO: readonly unknown[] = ['no', 'No', 'NO', 'off', 'Off', 'OFF', 'n', 'N'];
/** YAML 1.1, which kube-proxy reads, has more words for it. */
const truth = v.pipe(
  v.unknown(),
  v.transform((value) => (YES.includes(value) ? true : NO.includes(value) ? false : value)),
  v.boolean('must be true or false, without quotes'),
);
const flag = v.nullish(truth);
const number = v.nullish(v.number('must be a number'));
const integer = v.nullish(v.pipe(v.number('must be a whole number'), v.integer('must be a whole number')));
const texts = v.nullish(v.array(v.string('must be text'), 'must be a list'));
const anything = v.nullish(v.unknown());
/** Written as Go writes it, held in milliseconds. */
const duration = v.nullish(
  v.pipe(
    v.string('must be a duration such as "30s" or "1h"'),
    v.check(
      (value) => parseGoDuration(value) !== undefined,
      ({ input }) => `must be a duration such as "30s" or "1h", not ${JSON.stringify(input)}`,
    ),
    v.transform((value) => parseGoDuration(value) ?? 0),
  ),
);

const inSection = 'must hold keys of its own';

const CONFIGURATION = v.object({
  apiVersion: text,
  kind: text,
  metadata: anything,
  featureGates: v.nullish(v.record(v.string(), truth)),
  clientConnection: v.nullish(
    v.object(
      {
        kubeconfig: text,
        acceptContentTypes: text,
        contentType: text,
        qps: number,
        burst: integer,
      },
      inSection,
    ),
  ),
  logging: v.nullish(
    v.object(
      {
        format: text,
        flushFrequency: anything,
        verbosity: integer,
        vmodule: anything,
        options: anything,
      },
      inSection,
    ),
  ),
  hostnameOverride: text,
  bindAddress: text,
  healthzBindAddress: text,
  metricsBindAddress: text,
  bindAddressHardFail: flag,
  enableProfiling: flag,
  showHiddenMetricsForVersion: text,
  mode: text,
  iptables: v.nullish(
    v.object(
      {
        masqueradeBit: integer,
        masqueradeAll: flag,
        localhostNodePorts: flag,
        snatNodeInternalIP: flag,
        syncPeriod: duration,
        minSyncPeriod: duration,
      },
      inSection,
    ),
  ),
  ipvs: v.nullish(
    v.object(
      {
        syncPeriod: duration,
        minSyncPeriod: duration,
        scheduler: text,
        excludeCIDRs: texts,
        strictARP: flag,
        tcpTimeout: duration,
        tcpFinTimeout: duration,
        udpTimeout: duration,
      },
      inSection,
    ),
  ),
  nftables: v.nullish(
    v.object(
      {
        masqueradeBit: integer,
        masqueradeAll: flag,
        syncPeriod: duration,
        minSyncPeriod: duration,
      },
      inSection,
    ),
  ),
  // Windows' part is read by nobody here.
  winkernel: v.nullish(
    v.object(
      {
        networkName: text,
        sourceVip: text,
        enableDSR: flag,
        rootHnsEndpointName: text,
        forwardHealthCheckVip: flag,
      },
      inSection,
    ),
  ),
  detectLocalMode: text,
  detectLocal: v.nullish(v.object({ bridgeInterface: text, interfaceNamePrefix: text }, inSection)),
  clusterCIDR: text,
  nodePortAddresses: texts,
  oomScoreAdj: integer,
  conntrack: v.nullish(
    v.object(
      {
        maxPerCore: integer,
        min: integer,
        tcpEstablishedTimeout: duration,
        tcpCloseWaitTimeout: duration,
        tcpBeLiberal: flag,
        udpTimeout: duration,
        udpStreamTimeout: duration,
      },
      inSection,
    ),
  ),
  configSyncPeriod: duration,
  portRange: text,
  windowsRunAsService: flag,
  // Of releases before 1.29.
  udpIdleTimeout: duration,
});

/** What a file says: any part of a configuration, and nothing in place of any value. */
export type GivenConfiguration = { readonly [K in keyof Configuration]?: Given<Configuration[K]> };

type Given<T> =
  | (T extends readonly unknown[] | string | number | boolean
      ? T
      : { readonly [K in keyof T]?: T[K] | null | undefined })
  | null
  | undefined;

/** Checks the types of all values. @returns the configuration, or one sentence a wrong value */
export function readShape(
  value: unknown,
): { readonly given: GivenConfiguration } | { readonly problems: readonly string[] } {
  const result = v.safeParse(CONFIGURATION, value);
  if (result.success) return { given: result.output };
  return {
    problems: result.issues.map((issue) => {
      const path = v.getDotPath(issue);
      return path === null ? issue.message : `${path} ${issue.message}`;
    }),
  };
}

/** The keys of a document, dotted, that no release reads. */
export function unknownKeys(document: unknown): string[] {
  return unknownIn(document, CONFIGURATION, '');
}

function unknownIn(value: unknown, schema: unknown, path: string): string[] {
  const shape = shapeOf(schema);
  if (shape === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, entry]) => {
    const name = path === '' ? key : `${path}.${key}`;
    return Object.hasOwn(shape, key) ? unknownIn(entry, shape[key], name) : [name];
  });
}

function shapeOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  const { type, wrapped, entries } = schema as {
    readonly type: string;
    readonly wrapped?: unknown;
    readonly entries?: Readonly<Record<string, unknown>>;
  };
  if (type === 'nullish') return shapeOf(wrapped);
  return type === 'object' ? entries : undefined;
}
