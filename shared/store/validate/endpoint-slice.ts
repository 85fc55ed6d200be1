/** What an EndpointSlice must be (discovery.k8s.io/v1). Pure. */

import { Checker } from './checker.ts';

/** The API server's limits. */
const MOST_ENDPOINTS = 1000;
const MOST_ADDRESSES = 100;

/** @throws InvalidObjectError */
export function checkEndpointSlice(where: string, object: Readonly<Record<string, unknown>>): void {
  const slice = new Checker(where, '', object);
  const type = slice.at('addressType');
  const family = { IPv4: 4, IPv6: 6 }[type.oneOf('IPv4', 'IPv6', 'FQDN') ?? ''] as 4 | 6 | undefined;
  if (!type.value) type.refuse('write IPv4 or IPv6');
  const endpoints = slice.at('endpoints').items();
  if (endpoints.length > MOST_ENDPOINTS)
    slice.at('endpoints').at('length').refuse(`write at most ${MOST_ENDPOINTS}, and more slices`);
  for (const endpoint of endpoints) {
    const addresses = endpoint.at('addresses').items();
    if (addresses.length === 0 || addresses.length > MOST_ADDRESSES)
      endpoint.at('addresses').refuse(`write one (the first counts), at most ${MOST_ADDRESSES}`);
    for (const address of addresses) {
      if (family === undefined) address.text();
      else if (address.ip(family) === undefined) address.refuse(`write an IPv${family} address`);
    }
    for (const condition of ['ready', 'serving', 'terminating'])
      endpoint.at('conditions').at(condition).flag();
    endpoint.at('nodeName').text();
    endpoint.at('zone').text();
    for (const hints of ['forZones', 'forNodes'])
      for (const hint of endpoint.at('hints').at(hints).items())
        hint.at('name').text() ?? hint.refuse('name one');
  }
  for (const port of slice.at('ports').items()) {
    port.at('name').label();
    port.at('protocol').oneOf('TCP', 'UDP', 'SCTP');
    port.at('port').integer(1, 65_535);
  }
}
