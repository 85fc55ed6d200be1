import { describe, expect, test } from 'vitest';
import { isCniError } from '../protocol/error.ts';
import type { NetworkConfig } from './network-config.ts';
import { networkOfPlugin, parseNetworkConfig, parsePluginConfig } from './network-config.ts';

const parse = (value: unknown): NetworkConfig =>
  parseNetworkConfig(new TextEncoder().encode(JSON.stringify(value)), 'x.conflist');

const plugins = [{ type: 'bridge' }];

describe('parseNetworkConfig', () => {
  test('reads a list', () => {
    const network = parse({
      cniVersion: '1.0.0',
      name: 'cbr0',
      disableCheck: true,
      disableGC: 'True',
      plugins: [
        { type: 'bridge', bridge: 'cni0' },
        { type: 'portmap', capabilities: { portMappings: true, x: false } },
      ],
    });
    expect(network).toMatchObject({
      name: 'cbr0',
      cniVersion: '1.0.0',
      disableCheck: true,
      disableGc: true,
      loadOnlyInlinedPlugins: false,
      plugins: [
        { type: 'bridge', capabilities: [], raw: { bridge: 'cni0' } },
        { type: 'portmap', capabilities: ['portMappings'] },
      ],
    });
  });

  test.each([
    [undefined, undefined, ''],
    ['1.0.0', undefined, '1.0.0'],
    ['9.9.9', undefined, '9.9.9'],
    ['0.4.0', ['0.3.1', '1.1.0', '1.0.0'], '1.1.0'],
    ['1.1.0', ['0.3.1', '1.0.0'], '1.1.0'],
    ['0.4.0', ['2.0.0', '1.2.0', '0.3.1'], '0.4.0'],
    [undefined, ['0.3.1', '2.0.0'], '0.3.1'],
    [undefined, [], ''],
    ['2.0.0', ['1.0.0'], '1.0.0'],
  ])('cniVersion %j with cniVersions %j is %j', (cniVersion, cniVersions, chosen) => {
    expect(parse({ name: 'n', plugins, cniVersion, cniVersions }).cniVersion).toBe(chosen);
  });

  test.each([
    [{ plugins }, 7, 'network name'],
    [{ name: 'a/b', plugins }, 7, 'network name'],
    [{ name: '..', plugins }, 7, 'network name'],
    [{ name: 1, plugins }, 6, 'name must be a string'],
    [{ name: 'n', plugins: [] }, 7, '"plugins" is empty'],
    [{ name: 'n', plugins: {} }, 6, 'plugins must be an array'],
    [{ name: 'n', plugins: [null] }, 6, 'plugins[0]'],
    [{ name: 'n', plugins: [{}] }, 7, 'plugins[0]: "type" is missing'],
    [{ name: 'n', plugins: [{ type: '../sh' }] }, 7, 'must not contain "/"'],
    [{ name: 'n', plugins: [{ type: 'a', capabilities: { x: 1 } }] }, 6, 'capabilities.x'],
    [{ name: 'n', loadOnlyInlinedPlugins: true }, 7, 'loadOnlyInlinedPlugins'],
    [{ name: 'n', plugins, disableGC: 'maybe' }, 6, 'disableGC'],
    [{ name: 'n', plugins, disableCheck: 1 }, 6, 'disableCheck'],
    [{ name: 'n', plugins, cniVersion: 1 }, 6, 'cniVersion'],
    [{ name: 'n', plugins, cniVersions: ['one'] }, 6, 'cniVersions[0]'],
    [{ name: 'n', plugins, cniVersions: '1.0.0' }, 6, 'cniVersions'],
  ])('%j is refused with code %i', (value, code, message) => {
    try {
      parse(value);
      expect.unreachable();
    } catch (error) {
      expect(isCniError(error, code) && error.message).toContain(message);
    }
  });
});

test('a single plugin becomes a list with the bytes that libcni would make', () => {
  const plugin = parsePluginConfig({ type: 'loopback', name: 'lo', cniVersion: '0.3.1', z: '<' }, 'x.conf');
  const network = networkOfPlugin(plugin, 'x.conf');
  expect(new TextDecoder().decode(network.bytes)).toBe(
    '{"cniVersion":"0.3.1","name":"lo","plugins":[{"cniVersion":"0.3.1","name":"lo","type":"loopback","z":"\\u003c"}]}',
  );
});
