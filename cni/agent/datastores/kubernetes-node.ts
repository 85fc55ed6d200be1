/**
 * Which Node of the cluster this machine is, and which of its addresses an operator chose for it: asked of the API
 * server once at start, and kept on the node's disk for a start without one.
 */

import { Backoff } from '../../../shared/kube/backoff.ts';
import type { KubeClient } from '../../../shared/kube/client.ts';
import { type KubeClock, sleep } from '../../../shared/kube/clock.ts';
import { isNotFound } from '../../../shared/kube/errors.ts';
import { NODES, PODS } from '../../../shared/kube/resource.ts';
import { errorText } from '../../../shared/log/format.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { AnnotationNames } from '../../../shared/store/kubernetes/annotations.ts';
import { annotationsIn } from '../../../shared/store/kubernetes/node-lease.ts';
import { mkdirp, readTextIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';

/** How long (ms) the API server is waited for where the disk knows enough. */
const PATIENCE = 300;
const FIRST_RETRY = 250;
const LONGEST_RETRY = 15_000;
/** Written by this release; read by it and the next. */
const VERSION = 1;

export interface NodeFacts {
  /** The Node's name. */
  readonly node: string;
  /** The annotation node-public-ip, as it stands there. */
  readonly publicIp?: string;
  readonly publicIpV6?: string;
}

/** How the node is named: by a setting, or by what the pod knows of itself. */
export type NodeNaming =
  | { readonly by: 'name'; readonly node: string }
  | { readonly by: 'pod'; readonly namespace: string; readonly pod: string };

/** As flanneld: NODE_NAME, or the node of the pod POD_NAMESPACE/POD_NAME; beyond it, the host's name. Pure. */
export function namingOf(
  environment: Readonly<Record<string, string | undefined>>,
  hostName: string,
): NodeNaming {
  const { NODE_NAME: node, POD_NAME: pod, POD_NAMESPACE: namespace } = environment;
  if (node) return { by: 'name', node };
  if (pod && namespace) return { by: 'pod', namespace, pod };
  return { by: 'name', node: hostName };
}

export interface FindNodeOptions {
  readonly client: KubeClient;
  readonly clock: KubeClock;
  readonly log: Logger;
  readonly naming: NodeNaming;
  readonly names: AnnotationNames;
  /** `<state-dir>/kubernetes.json` */
  readonly cachePath: string;
  /** Told what stands in the way. */
  readonly onWaiting: (why: string) => void;
  readonly random?: () => number;
}

/**
 * The API server's word, or, where it says nothing within a third of a second, the disk's. The server is asked on in that
 * case, for the next start. Waits for it where the disk knows nothing.
 *
 * @throws the signal's reason
 */
export async function findNode(options: FindNodeOptions, signal: AbortSignal): Promise<NodeFacts> {
  const { clock, log, naming, cachePath } = options;
  const cached = readCache(cachePath, naming, log);
  const failed = Promise.withResolvers<undefined>();
  const asked = ask(options, signal, () => failed.resolve(undefined)).then((facts) => {
    if (!isSame(facts, cached)) writeCache(cachePath, facts, log);
    return facts;
  });
  if (!cached) return await asked;
  const patience = new AbortController();
  const late = sleep(clock, PATIENCE, patience.signal).then(() => undefined);
  const answer = await Promise.race([asked, failed.promise, late]);
  patience.abort();
  if (answer) return answer;
  log.warn('the API server does not answer: this node is taken for what it was', { ...cached });
  asked.then(
    (facts) => {
      if (!isSame(facts, cached))
        log.warn('the node is not what it was: restart the agent to have that count', { ...facts });
    },
    () => {},
  );
  return cached;
}

/** Asks until there is an answer. @throws the signal's reason */
async function ask(options: FindNodeOptions, signal: AbortSignal, onFailure: () => void): Promise<NodeFacts> {
  const { clock, log, random, onWaiting } = options;
  const backoff = new Backoff({ firstMs: FIRST_RETRY, mostMs: LONGEST_RETRY, ...(random && { random }) });
  let told = '';
  for (;;) {
    try {
      return await askOnce(options, signal);
    } catch (error) {
      signal.throwIfAborted();
      const text = errorText(error);
      onWaiting(`the node cannot be looked up: ${text}`);
      if (text !== told) log.error('the node cannot be looked up, will be tried again', { error });
      told = text;
      onFailure();
      await sleep(clock, backoff.next(), signal);
      signal.throwIfAborted();
    }
  }
}

async function askOnce({ client, naming, names }: FindNodeOptions, signal: AbortSignal): Promise<NodeFacts> {
  const node = naming.by === 'name' ? naming.node : await nodeOfPod(client, naming, signal);
  try {
    const annotations = annotationsIn(await client.get(NODES, { name: node, signal }));
    const publicIp = annotations[names.nodePublicIp];
    const publicIpV6 = annotations[names.nodePublicIpV6];
    return { node, ...(publicIp && { publicIp }), ...(publicIpV6 && { publicIpV6 }) };
  } catch (error) {
    // The kubelet has not registered it yet. Whoever registers the agent says so.
    if (isNotFound(error)) return { node };
    throw error;
  }
}

async function nodeOfPod(
  client: KubeClient,
  { namespace, pod: name }: Extract<NodeNaming, { by: 'pod' }>,
  signal: AbortSignal,
): Promise<string> {
  const pod = await client.get(PODS, { namespace, name, signal });
  if (!pod.spec?.nodeName) throw new Error(`the pod ${namespace}/${name} is on no node yet`);
  return pod.spec.nodeName;
}

/** What the disk knows, where it is of this node. Whoever goes by its pod finds only its own node's disk. */
function readCache(path: string, naming: NodeNaming, log: Logger): NodeFacts | undefined {
  try {
    const text = readTextIfExists(path);
    const facts = text === undefined ? undefined : parseCache(text);
    return naming.by === 'name' && facts?.node !== naming.node ? undefined : facts;
  } catch (error) {
    log.warn('what is known of the node cannot be read and is made anew', { path, error });
    return undefined;
  }
}

function parseCache(text: string): NodeFacts {
  const { version, node, publicIp, publicIpV6 } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  if (version !== VERSION) throw new Error(`it has version ${String(version)}, not ${VERSION}`);
  if (typeof node !== 'string') throw new Error('it names no node');
  return {
    node,
    ...(typeof publicIp === 'string' && { publicIp }),
    ...(typeof publicIpV6 === 'string' && { publicIpV6 }),
  };
}

function writeCache(path: string, facts: NodeFacts, log: Logger): void {
  try {
    mkdirp(path.slice(0, path.lastIndexOf('/')), 0o700);
    writeFileAtomic(path, JSON.stringify({ version: VERSION, ...facts }), { mode: 0o600 });
  } catch (error) {
    log.warn('what is known of the node cannot be kept', { path, error });
  }
}

function isSame(a: NodeFacts, b: NodeFacts | undefined): boolean {
  return a.node === b?.node && a.publicIp === b.publicIp && a.publicIpV6 === b.publicIpV6;
}
