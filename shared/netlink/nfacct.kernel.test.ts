import { expect, test } from 'vitest';
import { freshNetns, run } from '../../conformance/testing/netns.ts';
import { NfCounters } from './nfacct.ts';

test.skipIf(!freshNetns())("a rule's packets are counted by name", () => {
  using counters = NfCounters.open();
  if (!counters) {
    process.stderr.write('skipped: the kernel has no nfnetlink_acct\n');
    return;
  }
  expect(counters.get('answered')).toBeUndefined();
  counters.ensure('answered');
  counters.ensure('answered');
  expect(counters.get('answered')).toEqual({ name: 'answered', packets: 0n, bytes: 0n });
  run('ip', 'link', 'set', 'lo', 'up');
  const rule = ['OUTPUT', '-p', 'icmp', '-m', 'nfacct', '--nfacct-name', 'answered', '-j', 'DROP'];
  run('iptables-nft', '-A', ...rule);
  Bun.spawnSync(['ping', '-c', '1', '-W', '0.2', '127.0.0.1']);
  expect(counters.get('answered')).toEqual({ name: 'answered', packets: 1n, bytes: 84n });
  expect(counters.delete('answered')).toBe(false);
  run('iptables-nft', '-D', ...rule);
  expect(counters.delete('answered')).toBe(true);
  expect(counters.delete('answered')).toBe(true);
  expect(counters.get('answered')).toBeUndefined();
});
