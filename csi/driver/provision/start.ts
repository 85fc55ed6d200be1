/** Starts a driver's provisioner, where there is a way to the Kubernetes API. */

import { UsageError } from '../../../shared/config/usage-error.ts';
import type { AccessSource } from '../../../shared/kube/access/access.ts';
import { inClusterAccess } from '../../../shared/kube/access/in-cluster.ts';
import { kubeconfigAccess } from '../../../shared/kube/access/kubeconfig.ts';
import { KubeClient } from '../../../shared/kube/client.ts';
import { systemClock } from '../../../shared/kube/clock.ts';
import { errorText } from '../../../shared/log/format.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { GuardedCalls } from '../calls.ts';
import type { CapacityPlace } from './capacity.ts';
import type { OwnNode } from './claim-step.ts';
import { driverCalls } from './driver-calls.ts';
import { DiskJournal } from './journal.ts';
import { Provisioner, type ProvisionerStatus } from './provisioner.ts';

export interface StartOptions {
  readonly calls: GuardedCalls;
  /** The driver's name. */
  readonly driver: string;
  readonly node?: OwnNode;
  /** Where the scheduler finds how much room there is. */
  readonly capacity?: CapacityPlace;
  /** A file; undefined: a pod's service account. */
  readonly kubeconfig: string | undefined;
  readonly stateDir: string;
  readonly userAgent: string;
  readonly log: Logger;
}

/** A provisioner that runs. */
export interface Running extends AsyncDisposable {
  status(): ProvisionerStatus;
}

/**
 * @returns undefined, and says so, where no kubeconfig was given and this is no pod: volumes of the node are staged and published
 * all the same
 * @throws UsageError for a kubeconfig that leads nowhere
 */
export function startProvisioner(options: StartOptions): Running | undefined {
  const { calls, driver, node, stateDir, userAgent, capacity } = options;
  const log = options.log.child('provision');
  const access = accessOf(options.kubeconfig);
  if (access === undefined) {
    log.warn(
      'no volumes are made for claims: --kubeconfig=FILE says where the Kubernetes API is, --no-provisioner that nobody is to',
    );
    return undefined;
  }
  const journal = new DiskJournal(`${stateDir}/begun`, (file, error) =>
    log.warn('a note of what was begun cannot be read, and is left alone', { file, error: errorText(error) }),
  );
  const provisioner = new Provisioner({
    client: new KubeClient({ access, clock: systemClock, userAgent }),
    calls: driverCalls(
      (name, method, request, signal) => calls.run(name, method, request, signal),
      (name) => calls.has(name),
    ),
    driver,
    log,
    journal,
    multiWriter: true,
    capacity: placeOf(process.env),
    ...(node && { node }),
    ...(capacity && { capacity }),
  });
  const stop = new AbortController();
  const done = provisioner
    .run(stop.signal)
    .catch((error: unknown) => log.error('it ended', { error: errorText(error) }));
  return {
    status: () => provisioner.status,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

/** Where the scheduler's objects are kept: beside the driver's pod, and gone with its DaemonSet. */
function placeOf(environment: Readonly<Record<string, string | undefined>>): CapacityPlace {
  const { POD_NAMESPACE: namespace = 'kube-system', POD_NAME: pod } = environment;
  return { namespace, ...(pod !== undefined && pod !== '' && { pod }) };
}

function accessOf(kubeconfig: string | undefined): AccessSource | undefined {
  try {
    if (kubeconfig !== undefined) return kubeconfigAccess({ path: kubeconfig, clock: systemClock });
    if (!process.env['KUBERNETES_SERVICE_HOST']) return undefined;
    return inClusterAccess({ environment: process.env });
  } catch (cause) {
    throw new UsageError('no way to the Kubernetes API', { cause });
  }
}
