import { describe, expect, test } from 'vitest';
import { pluginTypes } from '../../cni/plugins/registry.ts';
import { typePlans } from '../kill/plans.ts';
import { covers } from './allowed.ts';
import { goodCase, networkOf } from './cases.ts';
import { differences, normalise } from './compare.ts';

const of = { type: 'bridge', name: 'a case', version: '1.0.0' };

describe('comparing', () => {
  test('sees a value, a key more and a key less, each by its path', () => {
    const ours = { ADD: { exit: 0, result: { ips: [{ address: '10.0.0.2/24' }], routes: [] } } };
    const theirs = {
      ADD: { exit: 0, result: { ips: [{ address: '10.0.0.3/24', gateway: '10.0.0.1' }], dns: {} } },
    };
    expect(differences(of, ours, theirs)).toEqual([
      { ...of, path: 'ADD.result.ips.0.address', ours: '"10.0.0.2/24"', theirs: '"10.0.0.3/24"' },
      { ...of, path: 'ADD.result.ips.0.gateway', ours: '-', theirs: '"10.0.0.1"' },
    ]);
  });

  test('tells the kinds of values apart', () => {
    expect(differences(of, { mtu: 1500 }, { mtu: '1500' })).toHaveLength(1);
  });

  test('hides made-up names and addresses, and no others', () => {
    const value = {
      name: 'vethdeadbeef',
      mac: 'be:f5:7b:e2:8e:74',
      other: 'veth0',
      asked: '02:42:00:00:00:07',
    };
    expect(normalise(value)).toEqual({
      name: 'VETH',
      mac: 'MAC',
      other: 'veth0',
      asked: '02:42:00:00:00:07',
    });
  });

  test('an entry covers what all of its conditions are met by', () => {
    const [difference] = differences(of, { ADD: { error: 7 } }, { ADD: { error: 999 } });
    if (!difference) throw new Error('no difference');
    const entry = { path: /^ADD\.error$/, values: /^7 \| 999$/, reason: '' };
    expect(covers(entry, difference)).toBe(true);
    expect(covers({ ...entry, types: ['ptp'] }, difference)).toBe(false);
    expect(covers({ ...entry, name: /^error/ }, difference)).toBe(false);
    expect(covers({ ...entry, version: /^0/ }, difference)).toBe(false);
    expect(covers({ ...entry, values: /^6/ }, difference)).toBe(false);
    expect(covers({ ...entry, path: /^DEL/ }, difference)).toBe(false);
  });
});

describe('cases', () => {
  test('every type has one that is driven, and one that is killed', () => {
    // dhcp needs a server, underpod is ours alone and has plans of its own.
    const driven = pluginTypes.filter((type) => !['dhcp', 'underpod'].includes(type));
    expect(driven.filter((type) => goodCase(type) === undefined)).toEqual([]);
    expect(typePlans.map(({ type }) => type)).toEqual(driven);
  });

  test('what the runtime offers becomes a capability', () => {
    const one = { name: 'x', config: { runtimeConfig: { mac: '02:42:00:00:00:07' }, mtu: 1400 } };
    expect(networkOf('tap', one, '1.1.0')).toEqual({
      conflist: {
        cniVersion: '1.1.0',
        name: 'net',
        plugins: [{ type: 'tap', mtu: 1400, capabilities: { mac: true } }],
      },
      offers: { mac: '02:42:00:00:00:07' },
    });
  });
});
