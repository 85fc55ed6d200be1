/** The cluster's own API server: subnets from the nodes' podCIDRs, everything else in flannel's annotations. */

import { version } from '../../../package.json' with { type: 'json' };
import { UsageError } from '../../../shared/config/usage-error.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import type { AccessSource } from '../../../shared/kube/access/access.ts';
import { inClusterAccess } from '../../../shared/kube/access/in-cluster.ts';
import { kubeconfigAccess } from '../../../shared/kube/access/kubeconfig.ts';
import { KubeClient } from '../../../shared/kube/client.ts';
import { type KubeClock, systemClock } from '../../../shared/kube/clock.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import {
  type AnnotationNames,
  addressOf,
  annotationNames,
} from '../../../shared/store/kubernetes/annotations.ts';
import { KubernetesRegistry } from '../../../shared/store/kubernetes/registry.ts';
import type { AgentOptions, UnderlayOptions } from '../options.ts';
import type { Datastore } from './datastore.ts';
import { findNode, type NodeFacts, namingOf } from './kubernetes-node.ts';
import { readNetConf } from './net-conf-file.ts';
import type { KubernetesOptions } from './options.ts';

/**
 * After a page of this many nodes its garbage is given back at once: that keeps 17 MB off the peak of a list of 5,000, for
 * 60 ms of processor time.
 */
const MANY = 500;

/** What a test replaces. */
export interface KubernetesParts {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: KubeClock;
}

/** See OpenDatastore. @throws UsageError for settings that lead to no server */
export async function openKubernetes(
  options: AgentOptions,
  log: Logger,
  signal: AbortSignal,
  onWaiting: (why: string) => void,
  parts: KubernetesParts = { environment: process.env, clock: systemClock },
): Promise<Datastore> {
  const netConf = readNetConf(options.netConfigPath);
  const { datastore } = options;
  if (datastore.type !== 'kubernetes') throw new Error(`datastore ${datastore.type} is not this`);
  const { clock, environment } = parts;
  const names = namesOf(datastore);
  const client = new KubeClient({
    access: accessOf(datastore, parts),
    clock,
    userAgent: `underpod/${version} agent`,
  });
  const facts = await findNode(
    {
      client,
      clock,
      log,
      names,
      naming: namingOf(environment, options.node),
      cachePath: `${options.stateDir}/kubernetes.json`,
      onWaiting,
    },
    signal,
  );
  log.info('nodes are in Kubernetes', { server: client.server, node: facts.node });
  const registry = new KubernetesRegistry({
    client,
    clock,
    networks: netConf,
    annotationPrefix: datastore.annotationPrefix,
    self: facts.node,
    log,
    signal,
    onPage: (nodes) => {
      if (nodes >= MANY) Bun.gc(true);
    },
  });
  return {
    registry,
    netConf,
    node: facts.node,
    underlay: underlayOf(facts, options.underlay, log),
    onReady: () => {
      if (datastore.setNetworkUnavailable) void registry.networkIsUp(facts.node);
    },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

function namesOf({ annotationPrefix }: KubernetesOptions): AnnotationNames {
  try {
    return annotationNames(annotationPrefix);
  } catch (cause) {
    throw new UsageError('--kube-annotation-prefix', { cause });
  }
}

function accessOf(
  { apiUrl, kubeconfig }: KubernetesOptions,
  { environment, clock }: KubernetesParts,
): AccessSource {
  const server = apiUrl === undefined ? {} : { server: apiUrl };
  try {
    return kubeconfig === undefined
      ? inClusterAccess({ environment, ...server })
      : kubeconfigAccess({ path: kubeconfig, clock, ...server });
  } catch (cause) {
    throw new UsageError('no way to the Kubernetes API', { cause });
  }
}

/**
 * The annotations win over the settings, as in flanneld: an address of the node names the interface, unless a setting
 * does, and is what the others are told. Pure, but for the log.
 */
export function underlayOf(facts: NodeFacts, given: UnderlayOptions, log: Logger): UnderlayOptions {
  const read = (text: string | undefined, family: 4 | 6) => {
    const ip = addressOf(text, family);
    if (text !== undefined && !ip)
      log.warn('an annotation of the node is no address and does not count', { family, value: text });
    return ip;
  };
  const publicIp = read(facts.publicIp, 4);
  const publicIpV6 = read(facts.publicIpV6, 6);
  const isChosen = given.interfaces.length > 0 || given.patterns.length > 0 || given.canReach !== undefined;
  const addresses = [publicIp, publicIpV6].filter((ip) => ip !== undefined).map(formatIp);
  return {
    ...given,
    ...(publicIp && { publicIp }),
    ...(publicIpV6 && { publicIpV6 }),
    ...(!isChosen && { interfaces: addresses }),
  };
}
