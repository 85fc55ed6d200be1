import { describe, expect, test } from 'vitest';
import { isInvalidObject } from '../errors.ts';
import type { KubeObject } from '../kube-object.ts';
import { validateContent } from './content.ts';

const object = (kind: string, text: string): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'a' },
  ...(Bun.YAML.parse(text) as object),
});

function problem(kind: string, text: string): string {
  try {
    validateContent(object(kind, text));
    return '';
  } catch (error) {
    expect(isInvalidObject(error)).toBe(true);
    return (error as Error).message;
  }
}

const service = (more: string, head = 'clusterIP: 10.96.0.10, ports: [{port: 80}]'): string =>
  problem('Service', `spec: {${head}${more && `, ${more}`}}`);

describe('a Service', () => {
  test.each([
    '',
    'selector: {app: web}',
    'type: NodePort, ports: [{port: 80, nodePort: 30080, targetPort: http}]',
    'type: LoadBalancer, loadBalancerSourceRanges: [" 192.0.2.0/24"], externalIPs: [192.0.2.1]',
    'ports: [{port: 53, name: a, protocol: UDP}, {port: 53, name: b}]',
    'clusterIPs: [10.96.0.10, "fd00::1"]',
    'sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}',
    'externalTrafficPolicy: Local, healthCheckNodePort: 30999, sessionAffinityConfig: null',
  ])('with %s is taken', (more) => {
    expect(service(more)).toBe('');
  });

  test('without an address is taken where it needs none', () => {
    expect(problem('Service', 'spec: {type: ExternalName, externalName: a.example}')).toBe('');
    expect(problem('Service', 'spec: {clusterIP: None, selector: {a: b}}')).toBe('');
  });

  test.each<[string, RegExp]>([
    ['type: Cluster', /spec\.type = "Cluster"; write ClusterIP, NodePort, LoadBalancer or ExternalName/],
    ['type: NodePort', /no spec\.ports\[0\]\.nodePort; write one, such as 30080/],
    ['ports: []', /spec\.ports = \[\]; write at least one/],
    ['ports: {port: 80}', /spec\.ports = .*; write a list/],
    ['ports: [{port: 70000}]', /spec\.ports\[0\]\.port = 70000; write 1 to 65535/],
    ['ports: [{port: "80"}]', /spec\.ports\[0\]\.port = "80"; write 1 to 65535/],
    ['ports: [{port: 80, protocol: tcp}]', /protocol = "tcp"; write TCP, UDP or SCTP/],
    ['ports: [{port: 80}, {port: 81}]', /name; name each port/],
    ['ports: [{port: 80, name: a}, {port: 80, name: b}]', /another port has that number and protocol/],
    ['ports: [{port: 80, name: a}, {port: 81, name: a}]', /no two ports have one name/],
    ['selector: {app: 1}', /spec\.selector\.app = 1; put it in quotes/],
    ['clusterIPs: [10.96.0.11]', /make it the same as spec\.clusterIPs\[0\]/],
    ['clusterIPs: [10.96.0.10, 10.96.0.11]', /one of each family/],
    ['externalIPs: [a]', /spec\.externalIPs\[0\] = "a"; write an IP address/],
    ['loadBalancerSourceRanges: [192.0.2.1]', /write a network such as/],
    ['sessionAffinity: Client', /spec\.sessionAffinity = "Client"/],
    ['sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}', /timeoutSeconds = 0; write 1 to 86400/],
  ])('with %s is refused', (more, message) => {
    expect(service(more)).toMatch(message);
  });

  test('without an address is told to name one', () => {
    expect(problem('Service', 'spec: {ports: [{port: 80}]}')).toMatch(
      /no spec\.clusterIP; write one, such as/,
    );
    expect(problem('Service', 'spec: {clusterIP: web, ports: [{port: 80}]}')).toMatch(/write an IP address/);
  });
});

test.each<[string, string, RegExp | '']>([
  ['EndpointSlice', 'addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\nports: [{port: 80}]', ''],
  ['EndpointSlice', 'addressType: FQDN\nendpoints: [{addresses: [a.example]}]', ''],
  ['EndpointSlice', 'endpoints: []', /no addressType; write IPv4 or IPv6/],
  ['EndpointSlice', 'addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]', /write an IPv6 address/],
  ['EndpointSlice', 'addressType: IPv4\nendpoints: [{}]', /no endpoints\[0\]\.addresses/],
  [
    'EndpointSlice',
    'addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: "yes"}}]',
    /conditions\.ready = "yes"; write true or false/,
  ],
  ['EndpointSlice', 'addressType: IPv4\nports: [{port: 0}]', /ports\[0\]\.port = 0/],
  ['Pod', 'spec: {nodeName: n1, containers: [{ports: [{name: http, containerPort: 80}]}]}', ''],
  ['Pod', 'status: {podIPs: [{ip: 10.0.0.1}], conditions: [{type: Ready, status: "False"}]}', ''],
  ['Pod', 'spec: {containers: [{ports: [{containerPort: 0}]}]}', /containerPort = 0/],
  ['Pod', 'status: {podIP: 10.0.0}', /status\.podIP = "10.0.0"/],
  ['Pod', 'status: {conditions: [{type: Ready, status: no}]}', /status = /],
  ['Node', 'status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: Hostname, address: n}]}', ''],
  ['Node', 'status: {addresses: [{type: InternalIP, address: n1}]}', /write an IP address/],
  ['Namespace', 'spec: 3', ''],
])('%s %j', (kind, text, message) => {
  if (message === '') expect(problem(kind, text)).toBe('');
  else expect(problem(kind, text)).toMatch(message);
});
