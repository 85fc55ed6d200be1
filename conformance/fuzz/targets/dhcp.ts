import { isDeepStrictEqual } from 'node:util';
import { leaseFromAck } from '../../../cni/dhcp/client/lease.ts';
import { decodeFrame } from '../../../cni/dhcp/codec/frame.ts';
import { decodeMessage, encodeMessage } from '../../../cni/dhcp/codec/message.ts';
import { leaseResult } from '../../../cni/dhcp/lease-result.ts';
import { exchange } from '../../../cni/dhcp/testing/exchange.ts';
import { decodeDhcpRequest, encodeDhcpRequest } from '../../../cni/protocol/dhcp-daemon.ts';
import { isCniError } from '../../../cni/protocol/error.ts';
import { describeBytes, jsonBytes, jsonInput } from '../json-input.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { must, type Target, target } from '../target.ts';

const payloads = Object.values(exchange).map((frame) => decodeFrame(frame)?.payload ?? new Uint8Array());

/** What a network sends to a DHCP client: nothing of it may be more than refused. */
export const dhcpMessage: Target = target<Uint8Array>({
  name: 'dhcp-message',
  generate: (random) => mutateBytes(random.pick(payloads), random),
  seeds: payloads,
  changed: (bytes) => bytes.toHex(),
  judge: (bytes) => {
    decodeFrame(bytes);
    const message = decodeMessage(bytes);
    if (!message) return 'refused';
    must(isDeepStrictEqual(decodeMessage(encodeMessage(message)), message), 'what was read is written back');
    const lease = leaseFromAck(message, { sentAt: 0, via: new Uint8Array(6) }, () => 0.5);
    if (!lease) return 'accepted';
    must(lease.renewAt <= lease.rebindAt && lease.rebindAt <= lease.expiresAt, 'T1, T2 and the end in order');
    try {
      for (const { dst } of leaseResult(lease, 0).routes) must(dst.prefix <= 32, 'a prefix of IPv4');
    } catch (error) {
      if (!isCniError(error, 7)) throw error;
    }
    return 'accepted';
  },
  describe: (bytes) => bytes.toHex(),
});

const target1 = { network: 'n', containerId: 'c0ffee', ifname: 'eth0', netns: '/run/netns/x' };
const asked = { ...target1, provide: [{ code: 12, hex: '706f64' }], request: [3, 1], priority: 5 };
const requests = [
  encodeDhcpRequest({ op: 'allocate', ...asked }),
  encodeDhcpRequest({ op: 'check', address: '10.9.0.10', ...asked }),
  // Keys that a later release may add are no error.
  encodeDhcpRequest({ op: 'status', ...{ later: { a: 1, b: [true, 'x'], c: null, d: 2.5 } } }),
].map((line) => JSON.parse(line) as unknown);

/** What comes by the DHCP daemon's socket. */
export const dhcpRequest: Target = target<Uint8Array>({
  name: 'dhcp-request',
  generate: (random) => jsonInput(requests, random),
  seeds: requests.map(jsonBytes),
  changed: (bytes) => bytes.toHex(),
  judge: (bytes) => {
    try {
      const request = decodeDhcpRequest(bytes);
      const again = decodeDhcpRequest(new TextEncoder().encode(encodeDhcpRequest(request)));
      must(isDeepStrictEqual(again, request), 'what was read is written back');
      if ('request' in request)
        must(
          request.request.every((code) => code > 0 && code < 255),
          'codes of options',
        );
      return 'accepted';
    } catch (error) {
      if (isCniError(error, 6)) return 'refused';
      throw error;
    }
  },
  describe: describeBytes,
});
