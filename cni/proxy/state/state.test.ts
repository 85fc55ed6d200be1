import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { FakeClock } from '../../../shared/daemon/fake-clock.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { type Endpoint, endpointOf, formatEndpoint, parseAddress } from '../model/endpoint.ts';
import type { ServicePort } from '../model/service-port.ts';
import { afterBoot, type CachedServices, NodeCache, portsOf, readNodeCache } from './node-cache.ts';
import { ProgrammedModes } from './programmed-modes.ts';

const directories: TemporaryDirectory[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) directory[Symbol.dispose]();
});

function at(name: string): string {
  const directory = new TemporaryDirectory();
  directories.push(directory);
  return directory.join(name);
}

const endpoint = (text: string, port: number): Endpoint => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(text);
  return endpointOf(address, port);
};

const cidr = (text: string) => {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
};

const web: ServicePort = {
  name: 'shop/web:http',
  service: 'shop/web',
  protocol: 'TCP',
  frontends: [
    { kind: 'cluster-ip', address: parseAddress('10.96.0.10') as never, port: 80, policy: 'cluster' },
    { kind: 'node-port', port: 30080, policy: 'local' },
  ],
  endpoints: [endpoint('10.244.1.2', 8080), endpoint('10.244.2.2', 8080), endpoint('192.0.2.1', 8080)],
  localEndpoints: [endpoint('10.244.1.2', 8080), endpoint('192.0.2.1', 8080)],
  affinity: 60,
  sourceRanges: [cidr('198.51.100.0/24')],
  healthCheckPort: 31_000,
};
const six: ServicePort = {
  name: 'shop/dns',
  service: 'shop/dns',
  protocol: 'UDP',
  frontends: [
    { kind: 'cluster-ip', address: parseAddress('fd00:96::1') as never, port: 53, policy: 'local' },
  ],
  endpoints: [endpoint('fd00:244::2', 53)],
  localEndpoints: [],
};

const content: CachedServices = {
  families: new Map([
    [4, portsOf(new Map([[web.name, web]]))],
    [6, portsOf(new Map([[six.name, six]]))],
  ]),
  podCidrs: [cidr('10.244.1.0/24')],
  addresses: [cidr('192.0.2.1/32')],
};

describe("the node's cache", () => {
  const make = (path: string, clock: FakeClock, told: () => CachedServices = () => content): NodeCache =>
    new NodeCache({ path, node: 'n1', boot: 'one', clock, log: silentLogger, content: told });

  test('what is written is read again', async () => {
    const path = at('deep/proxy-services.jsonl');
    const cache = make(path, new FakeClock());
    cache.touch();
    await cache[Symbol.asyncDispose]();
    const read = readNodeCache({ path: path, node: 'n1', boot: 'two' }, silentLogger);
    expect([...(read?.families.get(4) ?? [])]).toEqual([web]);
    expect([...(read?.families.get(6) ?? [])]).toEqual([six]);
    expect([read?.podCidrs, read?.addresses]).toEqual([content.podCidrs, content.addresses]);
    expect(readdirSync(path.slice(0, path.lastIndexOf('/')))).toEqual(['proxy-services.jsonl']);
  });

  test('is of one node, and whole, or it is none', async () => {
    const path = at('cache');
    const cache = make(path, new FakeClock());
    cache.touch();
    await cache.flush();
    expect(readNodeCache({ path: path, node: 'n2', boot: 'two' }, silentLogger)).toBeUndefined();
    expect(readNodeCache({ path: `${path}-missing`, node: 'n1', boot: 'two' }, silentLogger)).toBeUndefined();
    // Within one boot there is nothing to restore.
    expect(readNodeCache({ path, node: 'n1', boot: 'one' }, silentLogger)).toBeUndefined();
    const text = readFileSync(path, 'utf8');
    for (const damaged of [
      '',
      text.slice(0, -5),
      text.replace('"version":1', '"version":2'),
      text.replace('10.96.0.10', '10.96'),
      text.replace('\n4[', '\n5['),
      text.replace('30080', '0'),
    ]) {
      writeFileSync(path, damaged);
      expect(readNodeCache({ path: path, node: 'n1', boot: 'two' }, silentLogger)).toBeUndefined();
    }
  });

  test('changes wait for each other, a minute between two writes', async () => {
    const path = at('cache');
    const clock = new FakeClock();
    let writes = 0;
    const cache = make(path, clock, () => {
      writes += 1;
      return content;
    });
    const pass = async (ms: number): Promise<number> => {
      await clock.advance(ms);
      // The disk's time is nobody's clock.
      await Bun.sleep(20);
      return writes;
    };
    cache.touch();
    expect(await pass(4999)).toBe(0);
    cache.touch();
    expect(await pass(1)).toBe(1);
    cache.touch();
    expect(await pass(30_000)).toBe(1);
    cache.touch();
    expect(await pass(30_000)).toBe(2);
    expect(await pass(120_000)).toBe(2);
    await cache[Symbol.asyncDispose]();
    expect(writes).toBe(2);
  });

  test("after a boot this node's pods are left out, and who is on its own network is not", () => {
    const [port] = [...(afterBoot(content).get(4) ?? [])];
    expect(port?.endpoints.map(formatEndpoint)).toEqual(['10.244.2.2:8080', '192.0.2.1:8080']);
    expect(port?.localEndpoints.map(formatEndpoint)).toEqual(['192.0.2.1:8080']);
    expect(port?.frontends).toEqual(web.frontends);
  });

  test("also where the Node does not say its pods' networks; with nothing known of it all stay", () => {
    const living = (more: Partial<CachedServices>): string[] | undefined => {
      const [port] = [...(afterBoot({ ...content, podCidrs: [], ...more }).get(4) ?? [])];
      return port?.endpoints.map(formatEndpoint);
    };
    expect(living({})).toEqual(['10.244.2.2:8080', '192.0.2.1:8080']);
    expect(living({ addresses: [] })).toHaveLength(3);
  });
});

describe('what is programmed', () => {
  test('is kept from one run to the next', () => {
    const path = at('state');
    const modes = new ProgrammedModes(path, silentLogger);
    modes.add('nftables', 4);
    modes.add('nftables', 4);
    modes.add('ipvs', 6);
    expect(new ProgrammedModes(path, silentLogger).all).toEqual([
      { mode: 'nftables', family: 4 },
      { mode: 'ipvs', family: 6 },
    ]);
    modes.remove('ipvs', 6);
    modes.remove('iptables', 4);
    expect(new ProgrammedModes(path, silentLogger).all).toEqual([{ mode: 'nftables', family: 4 }]);
  });

  test('a damaged file is told of and made anew', () => {
    const path = at('state');
    const modes = new ProgrammedModes(path, silentLogger);
    modes.add('nftables', 4);
    writeFileSync(modes.path, '{"version":9}');
    let told = '';
    const log = {
      ...silentLogger,
      warn: (message: string) => {
        told = message;
      },
    };
    expect(new ProgrammedModes(path, log).all).toEqual([]);
    expect(told).toMatch(/made anew/);
  });
});
