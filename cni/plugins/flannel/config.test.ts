import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../protocol/json.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import { readFlannelConfig, renderDelegate } from './config.ts';
import { parseSubnetEnv } from './subnet-env.ts';

const text = (masq: boolean): string =>
  `FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=${masq}\n`;

function render(raw: JsonObject, env: string = text(true)): JsonObject {
  const conf = netConfFromObject({ cniVersion: '1.0.0', name: 'cbr0', type: 'flannel', ...raw });
  return renderDelegate(conf, readFlannelConfig(conf), parseSubnetEnv(env, 'subnet.env'));
}

describe('the delegate’s configuration', () => {
  test('by default is a bridge that is the gateway of the node’s subnet', () => {
    expect(render({})).toEqual({
      cniVersion: '1.0.0',
      name: 'cbr0',
      type: 'bridge',
      ipMasq: false,
      mtu: 1450,
      isGateway: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.244.3.0/24' }]],
        routes: [{ dst: '10.244.0.0/16' }],
      },
    });
  });

  test('masquerades where the agent does not', () => {
    expect(render({}, text(false))['ipMasq']).toBe(true);
  });

  test('the delegate’s own keys win', () => {
    const delegate = { hairpinMode: true, mtu: 1300, ipMasq: true, isGateway: false, bridge: 'br9' };
    expect(render({ delegate })).toMatchObject(delegate);
  });

  test('another type gets no isGateway', () => {
    expect(render({ delegate: { type: 'ptp' } })).not.toHaveProperty('isGateway');
  });

  test('ipam is merged: its routes come first, its ranges are replaced', () => {
    const ipam = {
      type: 'other',
      dataDir: '/srv',
      routes: [{ dst: '192.0.2.0/24' }],
      ranges: [[{ subnet: '1.0.0.0/8' }]],
    };
    expect(render({ ipam })['ipam']).toEqual({
      type: 'other',
      dataDir: '/srv',
      ranges: [[{ subnet: '10.244.3.0/24' }]],
      routes: [{ dst: '192.0.2.0/24' }, { dst: '10.244.0.0/16' }],
    });
  });

  test('both families', () => {
    const env = `${text(true)}FLANNEL_IPV6_NETWORK=fd00:244::/56\nFLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64\n`;
    expect(render({}, env)['ipam']).toMatchObject({
      ranges: [[{ subnet: '10.244.3.0/24' }], [{ subnet: 'fd00:244:0:3::/64' }]],
      routes: [{ dst: '10.244.0.0/16' }, { dst: 'fd00:244::/56' }],
    });
  });

  test('runtimeConfig is handed on', () => {
    expect(render({ runtimeConfig: { mac: '02:00:00:00:00:01' } })['runtimeConfig']).toEqual({
      mac: '02:00:00:00:00:01',
    });
  });

  test.each([
    [{ delegate: { name: 'x' } }, /"delegate" must not have the key "name"/],
    [{ delegate: { ipam: {} } }, /"delegate" must not have the key "ipam"/],
    [{ delegate: { type: 5 } }, /delegate\.type must be a string/],
    [{ delegate: 'bridge' }, /delegate must be an object/],
    [{ ipam: { routes: [{ dst: 'x' }] } }, /ipam\.routes\[0\]\.dst/],
    [{ subnetFile: 1 }, /subnetFile must be a string/],
  ])('%j is refused', (raw, message) => {
    expect(() => render(raw)).toThrow(message);
  });
});

test('places', () => {
  const read = (raw: JsonObject) => readFlannelConfig(netConfFromObject({ name: 'n', ...raw }));
  expect(read({})).toMatchObject({ subnetFile: '/run/flannel/subnet.env', dataDir: '/var/lib/cni/flannel' });
  expect(read({ subnetFile: '/a', dataDir: '/b//' })).toMatchObject({ subnetFile: '/a', dataDir: '/b' });
});
