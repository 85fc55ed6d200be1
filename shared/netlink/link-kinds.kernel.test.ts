import { afterEach, describe, expect, test } from 'vitest';
import { kernelHas } from '../../conformance/testing/kernel-features.ts';
import { freshNetns, ipJson, run } from '../../conformance/testing/netns.ts';
import type { OtherKind } from './codec/link-kind.ts';
import { IPVLAN_MODE, ipvlan, readIpvlan } from './codec/link-kinds/ipvlan.ts';
import { MACVLAN_MODE, macvlan, readMacvlan } from './codec/link-kinds/macvlan.ts';
import { readVlan, vlan } from './codec/link-kinds/vlan.ts';
import { readVrf, vrf } from './codec/link-kinds/vrf.ts';
import { newLink } from './requests.ts';
import { Rtnetlink } from './rtnetlink.ts';

/* Kinds of links against the kernel: what is sent is what `ip` reads, and what the kernel tells is read as `ip` does. */

const available = freshNetns();

interface Shown {
  readonly linkinfo?: { readonly info_kind: string; readonly info_data?: Record<string, unknown> };
}

/** Makes a link on top of another; returns how `ip` and the codec see it. */
function made(kind: OtherKind): { readonly shown: Shown['linkinfo']; readonly data: Uint8Array } {
  run('ip', 'link', 'add', 'lower', 'type', 'veth', 'peer', 'name', 'other');
  using rtnetlink = Rtnetlink.open();
  const parent = rtnetlink.linkByName('lower')?.index ?? 0;
  const [answer] = rtnetlink.socket.transact([
    newLink({ name: 'probe', kind, ...(['vrf', 'dummy'].includes(kind.name) ? {} : { parent }) }),
  ]);
  if (answer?.error) throw answer.error;
  const told = rtnetlink.linkByName('probe')?.kind;
  expect(told).toMatchObject({ kind: 'other', name: kind.name });
  const [link] = ipJson<Shown[]>('-d', 'link', 'show', 'probe');
  return { shown: link?.linkinfo, data: (told as OtherKind).data ?? new Uint8Array() };
}

afterEach(() => {
  if (available)
    for (const name of ['probe', 'lower']) run('sh', '-c', `ip link delete ${name} 2>/dev/null || true`);
});

const has = (kind: 'macvlan' | 'ipvlan' | 'vlan' | 'vrf' | 'dummy'): boolean => available && kernelHas(kind);

describe.skipIf(!has('macvlan'))('macvlan', () => {
  test.each(Object.entries(MACVLAN_MODE))('mode %s', (name, mode) => {
    const { shown, data } = made(macvlan({ mode }));
    expect(shown).toMatchObject({ info_kind: 'macvlan', info_data: { mode: name } });
    expect(readMacvlan(data)).toMatchObject({ mode });
  });

  test('length of the queue of broadcasts', () => {
    const { shown, data } = made(macvlan({ mode: MACVLAN_MODE.bridge, broadcastQueueLength: 500 }));
    expect(shown?.info_data).toMatchObject({ bcqueuelen: 500 });
    expect(readMacvlan(data).broadcastQueueLength).toBe(500);
  });
});

describe.skipIf(!has('ipvlan'))('ipvlan', () => {
  test.each(Object.entries(IPVLAN_MODE))('mode %s', (name, mode) => {
    const { shown, data } = made(ipvlan({ mode }));
    expect(shown).toMatchObject({ info_kind: 'ipvlan', info_data: { mode: name } });
    expect(readIpvlan(data)).toEqual({ mode, flags: 0 });
  });

  test('private', () => {
    const { shown, data } = made(ipvlan({ mode: IPVLAN_MODE.l2, flags: 1 }));
    expect(shown?.info_data).toMatchObject({ mode: 'l2', private: true });
    expect(readIpvlan(data).flags).toBe(1);
  });
});

describe.skipIf(!has('vlan'))('vlan', () => {
  test.each([0, 7, 4094])('id %i', (id) => {
    const { shown, data } = made(vlan({ id }));
    expect(shown).toMatchObject({ info_kind: 'vlan', info_data: { protocol: '802.1Q', id } });
    expect(readVlan(data)).toEqual({ id });
  });
});

describe.skipIf(!has('vrf'))('vrf', () => {
  test('table', () => {
    const { shown, data } = made(vrf({ table: 70_000 }));
    expect(shown).toMatchObject({ info_kind: 'vrf', info_data: { table: 70_000 } });
    expect(readVrf(data)).toEqual({ table: 70_000 });
  });
});

describe.skipIf(!has('dummy'))('dummy', () => {
  test('has no options', () => {
    expect(made({ kind: 'other', name: 'dummy' }).shown).toMatchObject({ info_kind: 'dummy' });
  });
});
