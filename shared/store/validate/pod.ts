/** What is read of a Pod: addresses, ports, readiness. Pure. */

import { Checker } from './checker.ts';

/** @throws InvalidObjectError */
export function checkPod(where: string, object: Readonly<Record<string, unknown>>): void {
  const spec = new Checker(where, 'spec', object['spec']);
  spec.at('nodeName').text();
  spec.at('hostNetwork').flag();
  for (const container of spec.at('containers').items())
    for (const port of container.at('ports').items()) {
      port.at('name').label();
      port.at('containerPort').integer(1, 65_535);
      port.at('protocol').oneOf('TCP', 'UDP', 'SCTP');
    }
  const status = new Checker(where, 'status', object['status']);
  status.at('podIP').ip();
  for (const entry of status.at('podIPs').items()) entry.at('ip').ip();
  for (const condition of status.at('conditions').items()) {
    condition.at('type').text();
    condition.at('status').oneOf('True', 'False', 'Unknown');
  }
}

/** A Node's addresses; its podCIDRs are looked at by who gives subnets out. @throws InvalidObjectError */
export function checkNodeStatus(where: string, object: Readonly<Record<string, unknown>>): void {
  const status = new Checker(where, 'status', object['status']);
  for (const entry of status.at('addresses').items()) {
    const type = entry.at('type').text();
    if (type === 'InternalIP' || type === 'ExternalIP')
      entry.at('address').ip() ?? entry.at('address').refuse('write an IP address');
  }
}
