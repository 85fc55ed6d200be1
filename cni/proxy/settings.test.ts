import { expect, test } from 'vitest';
import { parseArguments } from '../../shared/config/flags.ts';
import { type Cidr, parseCidr } from '../../shared/ip/cidr.ts';
import { PROXY_FLAGS } from './config/flags.ts';
import { loadOptions } from './config/load.ts';
import { NodeSettings } from './settings.ts';

const network = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
};

function settings(...flags: string[]): NodeSettings {
  const { options } = loadOptions(parseArguments(flags, PROXY_FLAGS), {
    environment: {},
    hostName: 'n1',
    section: {},
  });
  return new NodeSettings(options);
}

const own = ['127.0.0.1/8', '192.0.2.1/24', '198.51.100.1/24', '::1/128', '2001:db8::1/64'].map(
  (text) => network(text).ip,
);

test.each<[string, string[], string[]]>([
  ['everywhere', [], ['0.0.0.0']],
  ['where node ports are, and in the other family everywhere', ['192.0.2.0/24'], ['192.0.2.1', ':: 6']],
  ['so in IPv6', ['2001:db8::/32'], ['0.0.0.0 4', '2001:db8::1']],
  ['in both', ['192.0.2.0/24', '2001:db8::/32'], ['192.0.2.1', '2001:db8::1']],
  ['everywhere where that would be nowhere', ['203.0.113.0/24', 'fd00::/64'], ['0.0.0.0']],
])("services' health checks are served %s", (_, nodePorts, at) => {
  const made = settings(...nodePorts.map((text) => `--nodeport-addresses=${text}`));
  const addresses = made.checkAddresses(() => own);
  expect(addresses.map(({ address, family }) => `${address} ${family ?? ''}`.trim())).toEqual(at);
});
