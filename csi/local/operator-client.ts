/** The Kubernetes API for commands that an operator calls. */

import { version } from '../../package.json' with { type: 'json' };
import { UsageError } from '../../shared/config/usage-error.ts';
import { inClusterAccess } from '../../shared/kube/access/in-cluster.ts';
import { kubeconfigAccess } from '../../shared/kube/access/kubeconfig.ts';
import { KubeClient } from '../../shared/kube/client.ts';
import { systemClock } from '../../shared/kube/clock.ts';

/**
 * By a file, else by the one that KUBECONFIG names, else by a pod's service account.
 *
 * @param command for the server's log: `adopt`
 * @throws UsageError where none leads there
 */
export function operatorClient(kubeconfig: string | undefined, command: string): KubeClient {
  const path = kubeconfig ?? (process.env['KUBECONFIG'] || undefined);
  try {
    const access =
      path === undefined
        ? inClusterAccess({ environment: process.env })
        : kubeconfigAccess({ path, clock: systemClock });
    return new KubeClient({ access, clock: systemClock, userAgent: `underpod/${version} ${command}` });
  } catch (cause) {
    throw new UsageError('no way to the Kubernetes API: --kubeconfig=FILE', { cause });
  }
}
