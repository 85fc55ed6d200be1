/** The source that the options name. */

import { version } from '../../../package.json' with { type: 'json' };
import { UsageError } from '../../../shared/config/usage-error.ts';
import type { Clock } from '../../../shared/daemon/clock.ts';
import type { AccessSource } from '../../../shared/kube/access/access.ts';
import { inClusterAccess } from '../../../shared/kube/access/in-cluster.ts';
import { kubeconfigAccess } from '../../../shared/kube/access/kubeconfig.ts';
import { KubeClient } from '../../../shared/kube/client.ts';
import { ClientMetrics } from '../../../shared/kube/client-metrics.ts';
import { systemClock as kubeClock } from '../../../shared/kube/clock.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { EmbeddedStore } from '../../../shared/store/embedded/store.ts';
import type { ProxyDatastore, ProxyOptions } from '../config/options.ts';
import { EventRecorder, type EventSink } from '../events/recorder.ts';
import { EmbeddedSource } from './embedded.ts';
import { KubernetesSource } from './kubernetes.ts';
import { PodAddresses } from './pod-addresses.ts';
import type { Projections, Source, SourceEvents } from './source.ts';

export type MakeSource = <S, E>(events: SourceEvents<S, E>, project: Projections<S, E>) => Source;

export interface OpenedSource extends Disposable {
  readonly make: MakeSource;
  /** Of requests to the API server, where there is one. */
  readonly metrics?: ClientMetrics;
  /** Where Events can be told. */
  readonly events?: EventSink;
}

/** @throws UsageError for settings that lead to no server; StoreRefusedError with the way out */
export function openSource(options: ProxyOptions, clock: Clock, log: Logger): OpenedSource {
  const { datastore } = options;
  return datastore.type === 'kubernetes'
    ? fromKubernetes(datastore, options, clock, log)
    : fromStore(datastore, options, clock, log);
}

function fromKubernetes(
  datastore: Extract<ProxyDatastore, { type: 'kubernetes' }>,
  { node }: ProxyOptions,
  clock: Clock,
  log: Logger,
): OpenedSource {
  const metrics = new ClientMetrics();
  const client = new KubeClient({
    observer: metrics,
    access: accessOf(datastore),
    clock: kubeClock,
    userAgent: `underpod/${version} proxy`,
  });
  const recorder = new EventRecorder({ client, clock, log: log.child('events'), host: node });
  return {
    make: (events, project) => new KubernetesSource({ client, clock: kubeClock, log, node, project, events }),
    metrics,
    events: recorder,
    [Symbol.dispose]: () => recorder[Symbol.dispose](),
  };
}

function accessOf({ kubeconfig, master }: Extract<ProxyDatastore, { type: 'kubernetes' }>): AccessSource {
  const server = master === undefined ? {} : { server: master };
  try {
    return kubeconfig === undefined
      ? inClusterAccess({ environment: process.env, ...server })
      : kubeconfigAccess({ path: kubeconfig, clock: kubeClock, ...server });
  } catch (cause) {
    throw new UsageError('no way to the Kubernetes API', { cause });
  }
}

function fromStore(
  { path }: Extract<ProxyDatastore, { type: 'embedded' }>,
  { node, cniCacheDir }: ProxyOptions,
  clock: Clock,
  log: Logger,
): OpenedSource {
  const stack = new DisposableStack();
  const store = stack.use(
    EmbeddedStore.open(path, {
      report: (report) => {
        if (report.type === 'watch-lost')
          log.warn('changes of the store are looked for by the clock', { reason: report.reason });
        else
          log.error('the store was damaged and is made anew', {
            reason: report.reason,
            set_aside: report.setAside,
          });
      },
    }),
  );
  const pods = stack.use(new PodAddresses({ store, node, cniCacheDir, clock, log: log.child('pods') }));
  return {
    make: (events, project) =>
      new EmbeddedSource({ store, path, clock, log, node, project, events, onPods: () => pods.look() }),
    [Symbol.dispose]: () => stack.dispose(),
  };
}
