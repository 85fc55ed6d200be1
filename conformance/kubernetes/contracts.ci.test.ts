/** The contract suites of the Kubernetes client and of the registry on it, against a real kube-apiserver. */

import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inClusterAccess } from '../../shared/kube/access/in-cluster.ts';
import { kubeconfigAccess } from '../../shared/kube/access/kubeconfig.ts';
import { KubeClient } from '../../shared/kube/client.ts';
import { systemClock } from '../../shared/kube/clock.ts';
import { isUnauthorized, KubeError } from '../../shared/kube/errors.ts';
import { NODES } from '../../shared/kube/resource.ts';
import { describeKubeApi } from '../../shared/kube/testing/kube-contract.ts';
import { harnessFor, KUBERNETES_LIMITS } from '../../shared/store/kubernetes/testing/harness.ts';
import { describeNodeRegistry } from '../../shared/store/registry-contract.ts';
import { freshNetns, TemporaryDirectory } from '../testing/netns.ts';
import { ControlPlane, controlPlaneMissing } from './control-plane.ts';

const missing = controlPlaneMissing();
if (missing !== undefined) process.stderr.write(`skipped: a real kube-apiserver: ${missing}\n`);

/** What the agent's manifest gives it. */
const RULES = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
];

describe.skipIf(missing !== undefined || !freshNetns())('a real API server', () => {
  const directory = new TemporaryDirectory();
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await ControlPlane.start({ directory: directory.path });
    await plane.createServiceAccount('kube-system', 'agent', RULES);
    writeFileSync(`${directory.path}/token`, await plane.token('kube-system', 'agent'));
    writeFileSync(`${directory.path}/ca.crt`, plane.authority.cert);
  }, 120_000);
  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  /** By client certificate. */
  const admin = (): KubeClient => {
    const path = plane.kubeconfig('admin', plane.adminKeys);
    return new KubeClient({
      access: kubeconfigAccess({ path, clock: systemClock }),
      clock: systemClock,
      userAgent: 'test admin',
    });
  };
  /** By the token of a service account. */
  const agent = (): KubeClient =>
    new KubeClient({
      access: inClusterAccess({ environment: {}, server: plane.url, directory: directory.path }),
      clock: systemClock,
      userAgent: 'test agent',
    });

  describeKubeApi('the real API server', async () => ({
    client: admin(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

  describeNodeRegistry(
    'Kubernetes, on a real API server',
    async ({ networks, clock }) => harnessFor(agent, networks, clock, admin()),
    KUBERNETES_LIMITS,
  );

  test('rights end where the role does, and a token that is none is refused', async () => {
    const refused = await agent()
      .delete(NODES, { name: 'a' })
      .catch((error: unknown) => error);
    expect(refused instanceof KubeError && refused.code).toBe(403);
    expect(String(refused)).toContain('give the service account the role');
    const token = await Bun.file(`${directory.path}/token`).text();
    writeFileSync(`${directory.path}/token`, 'none');
    const client = agent();
    const unknown = await client.list(NODES, () => undefined).catch((error: unknown) => error);
    expect(isUnauthorized(unknown)).toBe(true);
    // It is read again.
    writeFileSync(`${directory.path}/token`, token);
    expect((await client.list(NODES, () => undefined)).items).toEqual([]);
  });
});
