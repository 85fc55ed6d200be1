/** What a Service's spec must be: as much of Kubernetes' own validation as keeps a proxy from having to guess. Pure. */

import { parseIp } from '../../ip/ip.ts';
import { Checker } from './checker.ts';

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;

/** @throws InvalidObjectError */
export function checkService(where: string, object: Readonly<Record<string, unknown>>): void {
  const spec = new Checker(where, 'spec', object['spec']);
  if (spec.isAbsent) return;
  const type = spec.at('type').oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName') || 'ClusterIP';
  spec.at('selector').strings();
  if (type !== 'ExternalName') checkAddresses(spec);
  checkPorts(spec, type);
  spec.at('externalTrafficPolicy').oneOf('Cluster', 'Local');
  spec.at('internalTrafficPolicy').oneOf('Cluster', 'Local');
  spec.at('sessionAffinity').oneOf('None', 'ClientIP');
  // API server: at most a day.
  spec.at('sessionAffinityConfig').at('clientIP').at('timeoutSeconds').integer(1, 86_400);
  for (const range of spec.at('loadBalancerSourceRanges').items()) range.cidr();
  for (const ip of spec.at('externalIPs').items()) ip.ip() ?? ip.refuse('write an IP address');
  spec.at('healthCheckNodePort').integer(0, 65_535);
  const ingress = new Checker(where, 'status', object['status']).at('loadBalancer').at('ingress');
  for (const entry of ingress.items()) {
    entry.at('ip').ip();
    entry.at('ipMode').oneOf('VIP', 'Proxy');
  }
}

function checkAddresses(spec: Checker): void {
  const first = spec.at('clusterIP');
  const list = spec.at('clusterIPs').items();
  const main = first.text() || (list[0]?.text() ?? '');
  if (main === '')
    first.refuse(
      'write one, such as "10.96.0.10" (nobody gives addresses out here), or "None" for a headless Service',
    );
  const all = list.length > 0 ? list : [first];
  if (main === 'None') {
    if (all.some((ip) => ip.text() !== 'None')) first.refuse('write either "None" or addresses');
    return;
  }
  if (first.text() && all[0]?.text() !== main) first.refuse('make it the same as spec.clusterIPs[0]');
  const families = all.map((ip) => parseIp(ip.ip() ?? ip.refuse('write an IP address'))?.family);
  if (new Set(families).size < families.length)
    spec.at('clusterIPs').refuse('write one of each family at most');
}

function checkPorts(spec: Checker, type: string): void {
  const ports = spec.at('ports').items();
  const headless = spec.at('clusterIP').value === 'None';
  if (ports.length === 0 && type !== 'ExternalName' && !headless)
    spec.at('ports').refuse('write at least one, such as {port: 80, targetPort: 8080}');
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const port of ports) {
    const name = port.at('name').label() ?? '';
    if (name === '' && ports.length > 1) port.at('name').refuse('name each port where there are several');
    if (names.has(name)) port.at('name').refuse('no two ports have one name');
    names.add(name);
    const protocol = port.at('protocol').oneOf(...PROTOCOLS) || 'TCP';
    const number = port.at('port').integer(1, 65_535) ?? port.at('port').refuse('write 1 to 65535');
    if (numbers.has(`${number}/${protocol}`))
      port.at('port').refuse('another port has that number and protocol');
    numbers.add(`${number}/${protocol}`);
    const target = port.at('targetPort');
    if (typeof target.value === 'string') target.label();
    else target.integer(1, 65_535);
    const nodePort = port.at('nodePort').integer(0, 65_535) ?? 0;
    if (type === 'NodePort' && nodePort === 0)
      port.at('nodePort').refuse('write one, such as 30080 (nobody gives them out here)');
  }
}
