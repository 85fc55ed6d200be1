import { expect, test } from 'vitest';
import { type FeatureSources, presences } from './features.ts';

const none: FeatureSources = { modules: [], builtin: undefined, loadable: undefined, config: undefined };
const of = (sources: Partial<FeatureSources>): string | undefined =>
  presences({ ...none, ...sources })['br_netfilter'];

test.each<[string, Partial<FeatureSources>, string]>([
  ['a loaded module', { modules: ['br_netfilter'] }, 'there'],
  ['one that is built in', { builtin: 'kernel/net/bridge/br_netfilter.ko\n' }, 'there'],
  ['one with a hyphen in its file', { builtin: 'kernel/net/bridge/br-netfilter.ko\n' }, 'there'],
  ['one on the disk', { builtin: '', loadable: 'kernel/net/bridge/br_netfilter.ko.xz: a.ko\n' }, 'loadable'],
  ['neither in the lists', { builtin: '', loadable: 'kernel/x.ko:\n' }, 'absent'],
  ['built in by its configuration', { config: 'CONFIG_A=y\nCONFIG_BRIDGE_NETFILTER=y\n' }, 'there'],
  ['switched off there', { config: '# CONFIG_BRIDGE_NETFILTER is not set\n' }, 'absent'],
  ['a module by its configuration, no disk to look at', { config: 'CONFIG_BRIDGE_NETFILTER=m\n' }, 'unknown'],
  [
    'a module by its configuration, missing on the disk',
    { config: 'CONFIG_BRIDGE_NETFILTER=m\n', loadable: 'x.ko:\n' },
    'absent',
  ],
  ['nothing to look at', {}, 'unknown'],
])('%s', (_what, sources, expected) => {
  expect(of(sources)).toBe(expected);
});
