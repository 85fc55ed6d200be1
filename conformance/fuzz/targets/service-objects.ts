import { isIP } from 'node:net';
import { type Address, addressOf, formatAddress, portOf } from '../../../cni/proxy/model/endpoint.ts';
import { projectEndpointSlice } from '../../../cni/proxy/model/endpoint-slice.ts';
import { explainPort } from '../../../cni/proxy/model/explain.ts';
import { projectService } from '../../../cni/proxy/model/service.ts';
import { ServiceModel } from '../../../cni/proxy/model/service-model.ts';
import type { ServicePort } from '../../../cni/proxy/model/service-port.ts';
import type { EndpointSlice, Service } from '../../../shared/kube/types.ts';
import { mutateJson } from '../mutate-json.ts';
import { must, type Target, target } from '../target.ts';

const services = [
  {
    metadata: { namespace: 'shop', name: 'web', creationTimestamp: '2026-01-02T03:04:05Z' },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10', 'fd00:96::a'],
      externalIPs: ['192.0.2.1', '2001:db8::1'],
      ports: [
        { name: 'http', protocol: 'TCP', port: 80, targetPort: 'web', nodePort: 30080 },
        { name: 'dns', protocol: 'UDP', port: 53, nodePort: 30053 },
      ],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32000,
      loadBalancerSourceRanges: ['198.51.100.0/24', ' 2001:db8::/32 '],
    },
    status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'VIP' }, { ip: '2001:db8:1::1' }] } },
  },
  {
    metadata: { namespace: 'shop', name: 'web' },
    spec: { clusterIP: '10.96.0.11', ports: [{ name: 'http', port: 80 }], internalTrafficPolicy: 'Local' },
  },
];

const slices = [
  {
    metadata: {
      namespace: 'shop',
      name: 'web-a',
      labels: { 'kubernetes.io/service-name': 'web' },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-02T03:04:05Z' },
    },
    addressType: 'IPv4',
    ports: [
      { name: 'http', protocol: 'TCP', port: 8080 },
      { name: 'dns', protocol: 'UDP', port: 5353 },
    ],
    endpoints: [
      {
        addresses: ['10.244.1.2'],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'here',
        zone: 'z1',
        hints: { forZones: [{ name: 'z1' }], forNodes: [{ name: 'here' }] },
      },
      {
        addresses: ['10.244.2.3'],
        conditions: { ready: false, serving: true, terminating: true },
        nodeName: 'there',
        hints: { forZones: [{ name: 'z2' }], forNodes: [{ name: 'there' }] },
      },
    ],
  },
  {
    metadata: { namespace: 'shop', name: 'web-b', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv6',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [{ addresses: ['fd00:244::2'], nodeName: 'here' }, { addresses: ['fd00:244:0:1::3'] }],
  },
];

/** A mutated Service, with sound slices. */
export const serviceObject: Target = target<unknown>({
  name: 'service',
  generate: (random) => mutateJson(random.pick(services), random),
  seeds: services,
  changed: (input) => JSON.stringify(input),
  judge: (input) => {
    if (!projectService(input as Service)) return 'refused';
    judgeModels(input, ...slices);
    return 'accepted';
  },
  describe: (input) => JSON.stringify(input),
});

/** A mutated EndpointSlice beside a sound one, of a sound Service. */
export const endpointSliceObject: Target = target<unknown>({
  name: 'slice',
  generate: (random) => mutateJson(random.pick(slices), random),
  seeds: slices,
  changed: (input) => JSON.stringify(input),
  judge: (input) => {
    if (!projectEndpointSlice(input as EndpointSlice, 'here')) return 'refused';
    judgeModels(services[0], input, slices[1]);
    return 'accepted';
  },
  describe: (input) => JSON.stringify(input),
});

/** What the models make of the objects leads nowhere that the objects do not name. */
function judgeModels(service: unknown, ...all: readonly unknown[]): void {
  const [named, ofSlices] = [textsIn(service), textsIn(all)];
  for (const family of [4, 6] as const) {
    const model = new ServiceModel(family, { zone: 'z1', addresses: [] });
    model.setService('service', projectService(service as Service));
    for (const [index, slice] of all.entries())
      model.setSlice(`slice-${index}`, projectEndpointSlice(slice as EndpointSlice, 'here'));
    const { ports } = model.take();
    must(ports.size === model.size, 'all ports of a new model are told of');
    for (const port of model) {
      judgePort(port, family, named, ofSlices);
      explainPort(port, model.candidates(port.name), {
        zone: 'z1',
        masqueradeAll: false,
        detectsLocal: true,
      });
    }
    model.problems('service');
    model.healthCheck('service');
    model.setService('service', undefined);
    model.take();
    must(model.size === 0, 'nothing is left of a Service that is gone');
  }
}

function judgePort(port: ServicePort, family: 4 | 6, named: Texts, ofSlices: Texts): void {
  must(/^[-.a-z0-9]+\/[-.a-z0-9]+(:[-.a-z0-9]+)?(\/[A-Z]+)?$/.test(port.name), 'a name is one that may be');
  const frontends = port.frontends.map(({ address = '', port: number }) => `${address} ${number}`);
  must(new Set(frontends).size === frontends.length, 'each frontend once');
  for (const { address, port: number } of port.frontends) {
    must(named.numbers.has(number) && isPort(number), 'a frontend has a port that the Service names');
    if (address !== undefined) judgeAddress(address, family, named);
  }
  for (const endpoints of [port.endpoints, port.localEndpoints]) {
    must(new Set(endpoints).size === endpoints.length, 'each endpoint once');
    for (const endpoint of endpoints) {
      judgeAddress(addressOf(endpoint), family, ofSlices);
      must(ofSlices.numbers.has(portOf(endpoint)), 'an endpoint has a port that a slice names');
    }
  }
  const { affinity = 1 } = port;
  must(Number.isInteger(affinity) && affinity > 0 && affinity <= 86_400, 'clients stay for a day at most');
  for (const { ip } of port.sourceRanges ?? []) must(ip.family === family, 'ranges are of the family');
}

function judgeAddress(packed: Address, family: 4 | 6, { addresses }: Texts): void {
  const text = formatAddress(packed);
  must(isIP(text) === family, `${text} is of the family`);
  must(addresses.has(text), `${text} is named`);
  must(
    !/^127\.|^0\.0\.0\.0$|^2(2[4-9]|3\d)\.|^255\.255\.255\.255$|^::1?$|^ff/.test(text),
    `${text} is a machine's`,
  );
}

function isPort(number: number): boolean {
  return Number.isInteger(number) && number > 0 && number < 65_536;
}

interface Texts {
  /** In the form that the platform's own parser of URLs has. */
  readonly addresses: ReadonlySet<string>;
  readonly numbers: ReadonlySet<number>;
}

/** All addresses and numbers anywhere in a value. */
function textsIn(value: unknown): Texts {
  const addresses = new Set<string>();
  const numbers = new Set<number>();
  const look = (part: unknown): void => {
    if (typeof part === 'number') numbers.add(part);
    else if (typeof part === 'string') addresses.add(part).add(plain(part));
    else if (typeof part === 'object' && part !== null) Object.values(part).forEach(look);
  };
  look(value);
  return { addresses, numbers };
}

function plain(text: string): string {
  if (!text.includes(':')) return text.replace(/(^|\.)0+(?=\d)/g, '$1');
  if (isIP(text) !== 6 || text.includes('%')) return text;
  const host = new URL(`http://[${text}]`).hostname.slice(1, -1);
  // An IPv4 address in IPv6's clothes counts as what it is.
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(host);
  if (!mapped) return host;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
