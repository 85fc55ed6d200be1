/** Which datastore the settings ask for, and how to reach it. Pure. */

import type { Settings } from '../../../shared/config/settings.ts';
import { UsageError } from '../../../shared/config/usage-error.ts';

export type DatastoreOptions = { readonly why: string } & (
  | { readonly type: 'embedded'; readonly path: string }
  | KubernetesOptions
  | EtcdOptions
);

export interface KubernetesOptions {
  readonly type: 'kubernetes';
  /** Overrides the server of the credentials; without both the pod's service account is used. */
  readonly apiUrl?: string;
  readonly kubeconfig?: string;
  /** `flannel.alpha.coreos.com`; annotations are `<prefix>/public-ip` and so on. */
  readonly annotationPrefix: string;
  /** Set the node condition NetworkUnavailable to False once the node is registered. */
  readonly setNetworkUnavailable: boolean;
}

export interface EtcdOptions {
  readonly type: 'etcd';
  readonly endpoints: readonly string[];
  /** `/coreos.com/network`, without a slash at its end. */
  readonly prefix: string;
  readonly keyFile?: string;
  readonly certFile?: string;
  readonly caFile?: string;
  readonly username?: string;
  readonly password?: string;
}

/**
 * `--datastore` decides; without it `--kube-subnet-mgr` asks for Kubernetes, any etcd flag or variable for etcd, and
 * nothing for the embedded store.
 *
 * @throws UsageError for settings that contradict each other
 */
export function datastoreOptions(settings: Settings): DatastoreOptions {
  const { type, why } = choose(settings);
  switch (type) {
    case 'embedded':
      return { type, why, path: settings.string('store') };
    case 'kubernetes':
      return { why, ...kubernetesOptions(settings) };
    case 'etcd':
      return { why, ...etcdOptions(settings) };
    default:
      return type satisfies never;
  }
}

type Type = DatastoreOptions['type'];

function choose(settings: Settings): { readonly type: Type; readonly why: string } {
  const named = settings.optional('datastore') as Type | undefined;
  const kube = settings.boolean('kube-subnet-mgr');
  if (named !== undefined) {
    if (kube && named !== 'kubernetes')
      throw new UsageError(`--kube-subnet-mgr and --datastore=${named} contradict each other: leave one out`);
    return { type: named, why: `--datastore, from the ${settings.source('datastore')}` };
  }
  if (kube)
    return { type: 'kubernetes', why: `--kube-subnet-mgr, from the ${settings.source('kube-subnet-mgr')}` };
  const etcd = ETCD_FLAG_NAMES.find((name) => settings.source(name) !== 'default');
  if (etcd !== undefined) return { type: 'etcd', why: `--${etcd}, from the ${settings.source(etcd)}` };
  return { type: 'embedded', why: 'the default: no setting asks for Kubernetes or etcd' };
}

/** The flags any of which asks for etcd. */
const ETCD_FLAG_NAMES: readonly string[] = [
  'etcd-endpoints',
  'etcd-prefix',
  'etcd-keyfile',
  'etcd-certfile',
  'etcd-cafile',
  'etcd-username',
  'etcd-password',
];

function kubernetesOptions(settings: Settings): KubernetesOptions {
  const apiUrl = settings.optional('kube-api-url');
  const kubeconfig = settings.optional('kubeconfig-file');
  if (apiUrl !== undefined) checkUrl('kube-api-url', apiUrl);
  const annotationPrefix = settings.string('kube-annotation-prefix').replace(/\/$/, '');
  if (annotationPrefix === '') throw new UsageError('--kube-annotation-prefix must not be empty');
  return {
    type: 'kubernetes',
    ...(apiUrl !== undefined && { apiUrl }),
    ...(kubeconfig !== undefined && { kubeconfig }),
    annotationPrefix,
    setNetworkUnavailable: settings.boolean('set-node-network-unavailable'),
  };
}

function etcdOptions(settings: Settings): EtcdOptions {
  const certFile = settings.optional('etcd-certfile');
  // One flag may hold several, as flanneld's does. Without a scheme they are what a certificate of ours makes of them.
  const endpoints = settings
    .list('etcd-endpoints')
    .flatMap((value) => value.split(',').map((one) => one.trim()))
    .filter(Boolean)
    .map((one) => (one.includes('://') ? one : `${certFile === undefined ? 'http' : 'https'}://${one}`));
  if (endpoints.length === 0) throw new UsageError('--etcd-endpoints must name at least one server');
  for (const endpoint of endpoints) checkUrl('etcd-endpoints', endpoint);
  // As flanneld's path.Join has it: a key need not begin with a slash.
  const prefix = settings.string('etcd-prefix').replace(/\/+/g, '/').replace(/\/$/, '');
  if (prefix === '') throw new UsageError('--etcd-prefix must not be empty');
  const keyFile = settings.optional('etcd-keyfile');
  const caFile = settings.optional('etcd-cafile');
  const username = settings.optional('etcd-username');
  const password = settings.optional('etcd-password');
  if ((keyFile === undefined) !== (certFile === undefined))
    throw new UsageError('--etcd-keyfile and --etcd-certfile go together: give both or neither');
  if ((username === undefined) !== (password === undefined))
    throw new UsageError('--etcd-username and --etcd-password go together: give both or neither');
  return {
    type: 'etcd',
    endpoints,
    prefix,
    ...(keyFile !== undefined && { keyFile }),
    ...(certFile !== undefined && { certFile }),
    ...(caFile !== undefined && { caFile }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  };
}

function checkUrl(flag: string, text: string): void {
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new UsageError(`--${flag} must be a URL such as https://192.0.2.1:2379, not "${text}"`);
}

/** Where the datastore is, for people. */
export function locationOf(datastore: DatastoreOptions): string {
  switch (datastore.type) {
    case 'embedded':
      return datastore.path;
    case 'kubernetes':
      return datastore.apiUrl ?? datastore.kubeconfig ?? 'the cluster of this pod';
    case 'etcd':
      return `${datastore.endpoints.join(',')} ${datastore.prefix}`;
    default:
      return datastore satisfies never;
  }
}
