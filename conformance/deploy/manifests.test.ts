import { describe, expect, test } from 'vitest';
import { AGENT_FLAGS } from '../../cni/agent/flags.ts';
import { type AgentOptions, agentOptions } from '../../cni/agent/options.ts';
import { INSTALL_FLAGS, layoutOf } from '../../commands/install.ts';
import { version } from '../../package.json' with { type: 'json' };
import { parseArguments } from '../../shared/config/flags.ts';
import { parseNetConf } from '../../shared/config/net-conf.ts';
import { Settings } from '../../shared/config/settings.ts';
import { formatCidr } from '../../shared/ip/cidr.ts';
import {
  type Container,
  type DaemonSet,
  deployFile,
  type Manifest,
  manifestsOf,
  OVERLAYS,
  only,
  type PodSpec,
  type Probe,
} from './manifests.ts';

const podOf = (manifests: readonly Manifest[]): PodSpec =>
  only<DaemonSet>(manifests, 'DaemonSet').spec.template.spec;

/** Settings as the program would read them from these arguments. */
function settingsOf(args: readonly string[], flags: Parameters<typeof parseArguments>[1]): Settings {
  const { values, rest } = parseArguments([...args], flags);
  expect(rest).toEqual([]);
  return new Settings(flags, {
    flags: values,
    environment: {},
    environmentPrefix: 'FLANNELD_',
    file: {},
    fileName: '',
  });
}

function agentOf({ args }: Container): AgentOptions {
  expect(args[0]).toBe('agent');
  return agentOptions(settingsOf(args.slice(1), AGENT_FLAGS), 'node');
}

/** What is at a path in the container: the host's path that is mounted there, or a ConfigMap's name. */
function mountedAt(
  pod: PodSpec,
  { volumeMounts }: Container,
  path: string,
): { from: string; writable: boolean } | undefined {
  const mount = volumeMounts.find(({ mountPath }) => mountPath === path);
  const volume = pod.volumes.find(({ name }) => name === mount?.name);
  if (!mount || !volume) return undefined;
  const from = volume.hostPath?.path ?? `ConfigMap ${volume.configMap?.name}`;
  return { from, writable: mount.readOnly !== true };
}

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

describe.each(OVERLAYS)('the manifests for %s', (overlay) => {
  const manifests = manifestsOf(overlay);
  const pod = podOf(manifests);
  const [agent] = pod.containers;
  const [install] = pod.initContainers;

  test('hold each object once, all in one namespace that is among them', () => {
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    const { name } = only(manifests, 'Namespace').metadata;
    const namespaces = manifests.flatMap(({ metadata }) => metadata.namespace ?? []);
    expect(new Set(namespaces)).toEqual(new Set([name]));
    expect(only(manifests, 'ServiceAccount').metadata.name).toBe(pod.serviceAccountName);
  });

  test('run the image of this version', () => {
    for (const { image } of [agent, install]) expect(image).toBe(`underpod:${version}`);
  });

  test('give the agent flags that it has, and every place that it reads or writes', () => {
    const options = agentOf(agent);
    expect(options.datastore.type).toBe('kubernetes');
    for (const path of [
      options.stateDir,
      options.runDir,
      directoryOf(options.subnetFile),
      '/run/xtables.lock',
    ])
      expect(mountedAt(pod, agent, path), path).toEqual({ from: path, writable: true });
    expect(mountedAt(pod, agent, directoryOf(options.netConfigPath))).toMatchObject({
      from: `ConfigMap ${only(manifests, 'ConfigMap').metadata.name}`,
    });
    expect(mountedAt(pod, agent, `${options.procSys}/net`)).toEqual({
      from: '/proc/sys/net',
      writable: true,
    });
  });

  test('tell the agent its node', () => {
    expect(agent.env).toContainEqual({
      name: 'NODE_NAME',
      valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } },
    });
  });

  test('hold a net-conf.json that the agent takes', () => {
    const { data } = only<Manifest & { data: Record<string, string> }>(manifests, 'ConfigMap');
    const netConf = parseNetConf(data['net-conf.json'] ?? '');
    expect(netConf.unknownKeys).toEqual([]);
    const usual = overlay === 'k3s' ? '10.42.0.0/16' : '10.244.0.0/16';
    expect(netConf.ipv4 && formatCidr(netConf.ipv4.network)).toBe(usual);
  });

  test('install into directories of the host, at their own paths', () => {
    expect(install.args[0]).toBe('install');
    const layout = layoutOf(settingsOf(install.args.slice(1), INSTALL_FLAGS));
    const places = [directoryOf(layout.binary), layout.cniBinDir, layout.cniConfDir, '/var/lib/underpod'];
    for (const path of places)
      expect(mountedAt(pod, install, path), path).toEqual({ from: path, writable: true });
  });

  test('mount nothing that has no use', () => {
    const used = [agent, install].flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
    expect(new Set(used)).toEqual(new Set(pod.volumes.map(({ name }) => name)));
  });

  test('ask the agent for its health where it serves it', () => {
    const { metrics } = agentOf(agent);
    const asked = (probe?: Probe): unknown => probe?.httpGet;
    const at = { host: metrics.address, port: metrics.port };
    expect(asked(agent.livenessProbe)).toEqual({ ...at, path: '/healthz' });
    expect(asked(agent.readinessProbe)).toEqual({ ...at, path: '/readyz' });
  });

  test('let no container do more than it must', () => {
    const needed = { agent: ['NET_ADMIN', 'NET_RAW'], install: ['DAC_OVERRIDE'] };
    for (const { name, securityContext } of [agent, install]) {
      expect(securityContext).toMatchObject({
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'], add: needed[name as keyof typeof needed] },
      });
      expect(securityContext?.privileged).toBeUndefined();
    }
  });

  test('run on every node, first of all pods, in its network', () => {
    expect(pod).toMatchObject({
      priorityClassName: 'system-node-critical',
      hostNetwork: true,
      tolerations: [{ operator: 'Exists' }],
    });
  });
});

test('during a change-over each node has the one agent or the other', () => {
  const { nodeSelector } = podOf(manifestsOf('change-over'));
  const patch = deployFile<{
    spec: {
      template: {
        spec: {
          affinity: { nodeAffinity: Record<string, { nodeSelectorTerms: { matchExpressions: object[] }[] }> };
        };
      };
    };
  }>('change-over/flannel-daemonset.yaml');
  const [term] = Object.values(patch.spec.template.spec.affinity.nodeAffinity)[0]?.nodeSelectorTerms ?? [];
  const [label] = Object.keys(nodeSelector ?? {});
  expect(label).toBeDefined();
  expect(term?.matchExpressions).toContainEqual({ key: label, operator: 'DoesNotExist' });
});

test('the executable must not lie among its links', () => {
  const both = ['--bin-dir=/opt/cni/bin', '--cni-bin-dir=/opt/cni/bin/'];
  expect(() => layoutOf(settingsOf(both, INSTALL_FLAGS))).toThrow(/cp follows links/);
});
