import { describe, expect, test } from 'vitest';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import { conflist, conflistName } from './conflist.ts';

interface List {
  readonly cniVersion: string;
  readonly cniVersions: string[];
  readonly name: string;
  readonly plugins: Record<string, unknown>[];
}

describe('the default network', () => {
  test('is cbr0, has the one type, and declares what a pod may ask for', () => {
    const list = JSON.parse(conflist('single')) as List;
    expect([list.name, list.cniVersion]).toEqual(['cbr0', '1.0.0']);
    expect(list.cniVersions).toContain('1.1.0');
    expect(list.plugins).toHaveLength(1);
    expect(list.plugins[0]).toMatchObject({
      type: 'underpod',
      capabilities: { portMappings: true, bandwidth: true },
    });
    expect(conflistName).toMatch(/^10-.*\.conflist$/);
  });

  test('is a configuration that the plugin reads', () => {
    const [plugin] = (JSON.parse(conflist('single')) as List).plugins;
    expect(netConfFromObject({ cniVersion: '1.1.0', name: 'cbr0', ...plugin }).type).toBe('underpod');
  });

  test('takes other places', () => {
    const [plugin] = (
      JSON.parse(conflist('single', { subnetFile: '/a', dataDir: '/b', bridge: 'br9' })) as List
    ).plugins;
    expect(plugin).toMatchObject({ subnetFile: '/a', dataDir: '/b', bridge: 'br9' });
  });

  test('the classic chain is flannel’s, under the same name', () => {
    const list = JSON.parse(conflist('classic', { subnetFile: '/a', bridge: 'br9' })) as List;
    expect([list.name, list.plugins.map(({ type }) => type)]).toEqual([
      'cbr0',
      ['flannel', 'portmap', 'bandwidth'],
    ]);
    expect(list.plugins[0]).toMatchObject({
      subnetFile: '/a',
      delegate: { bridge: 'br9', isDefaultGateway: true },
    });
    expect(list.plugins[1]).toMatchObject({ capabilities: { portMappings: true } });
    expect(list.plugins[2]).toMatchObject({ capabilities: { bandwidth: true } });
  });
});
