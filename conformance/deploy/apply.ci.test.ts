/** A real API server takes the manifests, and gives the agent's account what its role says and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiError, type KubeApi } from '../kubernetes/api.ts';
import { ControlPlane, controlPlaneMissing } from '../kubernetes/control-plane.ts';
import { freshNetns, TemporaryDirectory } from '../testing/netns.ts';
import { type Manifest, manifestsOf, OVERLAYS, only } from './manifests.ts';

const missing = controlPlaneMissing();
if (missing !== undefined)
  process.stderr.write(`skipped: the manifests and a real kube-apiserver: ${missing}\n`);

/** Where objects of a kind are. */
const COLLECTIONS: Readonly<Record<string, (namespace: string) => string>> = {
  Namespace: () => '/api/v1/namespaces',
  ServiceAccount: (namespace) => `/api/v1/namespaces/${namespace}/serviceaccounts`,
  ConfigMap: (namespace) => `/api/v1/namespaces/${namespace}/configmaps`,
  ClusterRole: () => '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: () => '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  DaemonSet: (namespace) => `/apis/apps/v1/namespaces/${namespace}/daemonsets`,
};

/** Creates an object. Unknown and doubled fields are errors, as are those that the API's own checks refuse. */
async function create(api: KubeApi, manifest: Manifest, more = ''): Promise<void> {
  const collection = COLLECTIONS[manifest.kind]?.(manifest.metadata.namespace ?? '');
  if (collection === undefined) throw new Error(`nobody said where a ${manifest.kind} goes`);
  await api.post(`${collection}?fieldValidation=Strict${more}`, manifest);
}

describe.skipIf(missing !== undefined || !freshNetns())('a real API server', () => {
  const directory = new TemporaryDirectory();
  const manifests = manifestsOf('kubeadm');
  let plane: ControlPlane;
  let agent: KubeApi;

  beforeAll(async () => {
    plane = await ControlPlane.start({ directory: directory.path });
    for (const manifest of manifests) await create(plane.admin, manifest);
    const { name, namespace = '' } = only(manifests, 'ServiceAccount').metadata;
    agent = plane.as({ token: await plane.token(namespace, name) });
    await plane.createNode({ name: 'a', podCidrs: ['10.244.0.0/24'], addresses: ['192.0.2.1'] });
  }, 120_000);
  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  test.each(OVERLAYS)('takes what %s applies', async (overlay) => {
    for (const manifest of manifestsOf(overlay)) {
      const made = create(plane.admin, manifest, '&dryRun=All');
      // Everything is there already, which is looked at last.
      await expect(made, manifest.kind).rejects.toThrow(/409 .*already exists/);
    }
  });

  test('refuses a field that it does not know, so that the test above says something', async () => {
    const spoiled = { ...only(manifests, 'ConfigMap'), dat: {} };
    await expect(create(plane.admin, spoiled, '&dryRun=All')).rejects.toThrow(/unknown field "dat"/);
  });

  test('lets the agent see all nodes, and change the status of its own', async () => {
    expect((await agent.get<{ items: object[] }>('/api/v1/nodes')).items).toHaveLength(1);
    await agent.get('/api/v1/nodes/a');
    const annotations = { 'flannel.alpha.coreos.com/public-ip': '192.0.2.1' };
    await agent.patch('/api/v1/nodes/a/status', { metadata: { annotations } });
    expect((await plane.node('a')).metadata.annotations).toMatchObject(annotations);
  });

  test.each([
    [
      'change the rest of a node',
      (api: KubeApi) => api.patch('/api/v1/nodes/a', { metadata: { labels: { a: 'b' } } }),
    ],
    ['remove a node', (api: KubeApi) => api.delete('/api/v1/nodes/a')],
    ['see pods', (api: KubeApi) => api.get('/api/v1/pods')],
    ['see secrets', (api: KubeApi) => api.get('/api/v1/secrets')],
    ['see its own configuration', (api: KubeApi) => api.get('/api/v1/namespaces/underpod-system/configmaps')],
  ])('does not let it %s', async (_what, ask) => {
    await expect(ask(agent)).rejects.toSatisfy((error) => error instanceof ApiError && error.status === 403);
  });
});
