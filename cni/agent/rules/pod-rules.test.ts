import { expect, test } from 'vitest';
import { parseNetConf } from '../../../shared/config/net-conf.ts';
import { chooseRuleBackend, type RuleBackend } from './pod-rules.ts';

test.each<[RuleBackend | undefined, string, RuleBackend, string]>([
  [undefined, '', 'nftables', 'the default'],
  [undefined, ',"EnableNFTables":true', 'nftables', 'EnableNFTables is true in net-conf.json'],
  [undefined, ',"EnableNFTables":false', 'iptables', 'EnableNFTables is false in net-conf.json'],
  [undefined, ',"EnableNFTables":null', 'nftables', 'the default'],
  ['iptables', ',"EnableNFTables":true', 'iptables', '--rules'],
  ['nftables', ',"EnableNFTables":false', 'nftables', '--rules'],
])('--rules %s with net-conf {…%s}: %s, because of %s', (flag, keys, backend, why) => {
  const netConf = parseNetConf(`{"Network":"10.244.0.0/16"${keys}}`);
  expect(chooseRuleBackend(flag, netConf)).toEqual({ backend, why });
});
