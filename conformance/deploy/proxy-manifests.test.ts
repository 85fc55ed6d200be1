import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { withDefaults } from '../../cni/proxy/config/configuration.ts';
import { decodeConfiguration } from '../../cni/proxy/config/decode.ts';
import { PROXY_FLAGS } from '../../cni/proxy/config/flags.ts';
import { type ProxyOptions, proxyOptions } from '../../cni/proxy/config/options.ts';
import { version } from '../../package.json' with { type: 'json' };
import { EXECUTABLE, LINKS } from '../../scripts/image/contents.ts';
import { parseArguments } from '../../shared/config/flags.ts';
import { Settings } from '../../shared/config/settings.ts';
import {
  type Container,
  type DaemonSet,
  type Manifest,
  only,
  PROXY_OVERLAYS,
  proxyManifestsOf,
} from './manifests.ts';

type Data = Manifest & { readonly data: Readonly<Record<string, string>> };

/** @param text of the ConfigMap's config.conf; kubeadm's own is in the tests of the configuration */
function optionsOf({ args }: Container, text: string): ProxyOptions {
  expect(args[0]).toBe('proxy');
  const { values, rest } = parseArguments(
    args.slice(1).map((arg) => arg.replace('$(NODE_NAME)', 'n1')),
    PROXY_FLAGS,
  );
  expect(rest).toEqual([]);
  const settings = new Settings(PROXY_FLAGS, {
    flags: values,
    environment: {},
    environmentPrefix: '',
    file: {},
    fileName: '',
  });
  const { given, unknownKeys } = decodeConfiguration(text, 'config.conf', true);
  return proxyOptions(settings, { configuration: withDefaults(given), unknownKeys }, {}, 'host');
}

const KUBEADM =
  'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclientConnection: {kubeconfig: /var/lib/kube-proxy/kubeconfig.conf}\n';

describe.each(PROXY_OVERLAYS)("the service proxy's manifests for %s", (overlay) => {
  const manifests = proxyManifestsOf(overlay);
  const pod = only<DaemonSet>(manifests, 'DaemonSet').spec.template.spec;
  const [proxy] = pod.containers;
  const data = overlay === 'kubeadm' ? undefined : only<Data>(manifests, 'ConfigMap').data;
  const options = optionsOf(proxy, data?.['config.conf'] ?? KUBEADM);

  const hostPathAt = (path: string): string | undefined => {
    const mount = proxy.volumeMounts.find(({ mountPath }) => mountPath === path);
    const volume = pod.volumes.find(({ name }) => name === mount?.name);
    return volume?.hostPath?.path ?? (volume?.configMap && `ConfigMap ${volume.configMap.name}`);
  };

  test('run the image of this version, on every node, with no more rights than it takes', () => {
    expect(proxy.image).toBe(`underpod:${version}`);
    expect(pod).toMatchObject({
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      tolerations: [{ operator: 'Exists' }],
    });
    expect(proxy.securityContext).toMatchObject({
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
    });
  });

  test('give it flags that it has, its node, and every place that it reads or writes', () => {
    expect(options.node).toBe('n1');
    expect(options.datastore.type).toBe('kubernetes');
    for (const path of [options.stateDir, options.runDir, '/run/xtables.lock'])
      expect(hostPathAt(path)).toBe(path);
    expect(hostPathAt(`${options.procSys}/net`)).toBe('/proc/sys/net');
    const kubeconfig = options.configuration.clientConnection.kubeconfig;
    const directory = kubeconfig.slice(0, kubeconfig.lastIndexOf('/'));
    expect(hostPathAt(directory)).toBe(
      `ConfigMap ${overlay === 'kubeadm' ? 'kube-proxy' : 'underpod-proxy'}`,
    );
    const used = proxy.volumeMounts.map(({ name }) => name);
    expect(new Set(used)).toEqual(new Set(pod.volumes.map(({ name }) => name)));
  });

  test('ask it for its health where it serves it', () => {
    const port = options.healthz?.port;
    expect(proxy.livenessProbe?.httpGet).toEqual({ host: '127.0.0.1', port, path: '/livez' });
    expect(proxy.readinessProbe?.httpGet).toEqual({ host: '127.0.0.1', port, path: '/healthz' });
  });

  test('reach the API server by an address that needs no proxy', () => {
    const text = data?.['kubeconfig.conf'];
    if (text === undefined) return;
    const { clusters } = Bun.YAML.parse(text) as { clusters: { cluster: { server: string } }[] };
    expect(clusters[0]?.cluster.server).toBe('https://127.0.0.1:6444');
  });
});

test('the systemd unit runs it with the rights of the DaemonSet', () => {
  const unit = readFileSync(
    resolve(import.meta.dirname, '../../cni/proxy/deploy/underpod-proxy.service'),
    'utf8',
  );
  expect(unit).toMatch(/^ExecStart=\/usr\/local\/bin\/underpod proxy \$PROXY_FLAGS$/m);
  const [proxy] = only<DaemonSet>(proxyManifestsOf('k3s'), 'DaemonSet').spec.template.spec.containers;
  const names = proxy.securityContext?.capabilities?.add?.map((name) => `CAP_${name}`).join(' ');
  expect(unit).toContain(`CapabilityBoundingSet=${names}\n`);
});

test('allow what is asked for, and nothing else', () => {
  const { rules } = only<Manifest & { rules: { resources: string[]; verbs: string[] }[] }>(
    proxyManifestsOf('k3s'),
    'ClusterRole',
  );
  expect(rules.flatMap(({ resources }) => resources).sort()).toEqual([
    'endpointslices',
    'events',
    'nodes',
    'servicecidrs',
    'services',
  ]);
  for (const { resources, verbs } of rules)
    expect(verbs).toEqual(resources.includes('events') ? ['create'] : ['list', 'watch']);
});

test("kubeadm's own DaemonSet runs the image", () => {
  // kubeadm, cmd/kubeadm/app/phases/addons/proxy: the command.
  expect(LINKS['usr/local/bin/kube-proxy']).toBe(`/${EXECUTABLE}`);
});
