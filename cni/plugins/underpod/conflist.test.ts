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
    const list = JSON.parse(conflist()) as List;
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
    const [plugin] = (JSON.parse(conflist()) as List).plugins;
    expect(netConfFromObject({ cniVersion: '1.1.0', name: 'cbr0', ...plugin }).type).toBe('underpod');
  });

  test('takes other places', () => {
    const [plugin] = (JSON.parse(conflist({ subnetFile: '/a', dataDir: '/b', bridge: 'br9' })) as List)
      .plugins;
    expect(plugin).toMatchObject({ subnetFile: '/a', dataDir: '/b', bridge: 'br9' });
  });
});
