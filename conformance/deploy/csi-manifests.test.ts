import { describe, expect, test } from 'vitest';
import { LOCAL_FLAGS } from '../../csi/local/flags.ts';
import { DRIVER_NAME } from '../../csi/local/name.ts';
import { type LocalOptions, localOptions } from '../../csi/local/options.ts';
import { parseParameters } from '../../csi/local/parameters.ts';
import { version } from '../../package.json' with { type: 'json' };
import { parseArguments } from '../../shared/config/flags.ts';
import { Settings } from '../../shared/config/settings.ts';
import {
  type Container,
  CSI_OVERLAYS,
  csiManifestsOf,
  type DaemonSet,
  type Manifest,
  only,
} from './manifests.ts';

function optionsOf({ args }: Container): LocalOptions {
  expect(args.slice(0, 2)).toEqual(['csi', 'local']);
  const { values, rest } = parseArguments(
    args.slice(2).map((arg) => arg.replace('$(NODE_NAME)', 'n1')),
    LOCAL_FLAGS,
  );
  expect(rest).toEqual([]);
  const sources = { flags: values, environment: {}, environmentPrefix: '', file: {}, fileName: '' };
  return localOptions(new Settings(LOCAL_FLAGS, sources), 'host');
}

type Class = Manifest & {
  readonly provisioner: string;
  readonly volumeBindingMode: string;
  readonly parameters: Readonly<Record<string, string>>;
};

describe.each(CSI_OVERLAYS)("the local driver's manifests, %s", (overlay) => {
  const manifests = csiManifestsOf(overlay);
  const pod = only<DaemonSet>(manifests, 'DaemonSet').spec.template.spec;
  const [driver] = pod.containers;
  const options = optionsOf(driver);
  const mountOf = (path: string): Container['volumeMounts'][number] | undefined =>
    driver.volumeMounts
      .filter(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`))
      .at(-1);
  const hostPathOf = (path: string): string | undefined =>
    pod.volumes.find(({ name }) => name === mountOf(path)?.name)?.hostPath?.path;

  test('run the image of this version on every node', () => {
    expect(driver.image).toBe(`underpod:${version}`);
    expect(pod).toMatchObject({ hostNetwork: true, tolerations: [{ operator: 'Exists' }] });
  });

  test('have every path that the driver uses from the node, where the node has it', () => {
    for (const path of [
      options.kubeletDir,
      options.socket,
      options.stateDir,
      options.runDir,
      ...options.pools.values(),
    ]) {
      expect(hostPathOf(path), path).toBeDefined();
      expect(hostPathOf(path), path).toBe(mountOf(path)?.mountPath);
    }
    expect(hostPathOf('/dev')).toBe('/dev');
  });

  test('let the node see what the driver mounts, or pods would find empty directories', () => {
    expect(mountOf(options.kubeletDir)?.mountPropagation).toBe('Bidirectional');
    expect(driver.securityContext?.privileged).toBe(true);
  });

  test('ask for health where it is served', () => {
    for (const probe of [driver.livenessProbe, driver.readinessProbe])
      expect(probe?.httpGet).toMatchObject({ host: options.metrics.address, port: options.metrics.port });
  });

  test('name the driver as it names itself, and parameters that it knows', () => {
    expect(only(manifests, 'CSIDriver').metadata.name).toBe(DRIVER_NAME);
    for (const each of manifests.filter(({ kind }) => kind === 'StorageClass') as Class[]) {
      expect(each.provisioner).toBe(DRIVER_NAME);
      expect(each.volumeBindingMode).toBe('WaitForFirstConsumer');
      expect(() => parseParameters(each.parameters)).not.toThrow();
    }
    for (const each of manifests.filter(({ kind }) => kind === 'VolumeSnapshotClass'))
      expect(each).toMatchObject({ driver: DRIVER_NAME });
  });
});
