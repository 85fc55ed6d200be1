import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { decodeAddress } from '../../../shared/netlink/codec/address.ts';
import { decodeLink } from '../../../shared/netlink/codec/link.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { dumpAddresses, dumpLinks } from '../../../shared/netlink/requests.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { viewAddress } from './address-view.ts';
import { viewLink } from './link-view.ts';

const available = freshNetns();

describe.skipIf(!available)('the short way of reading', () => {
  test('says of links what the codec says', () => {
    run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    run('ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1');
    run('ip', 'link', 'set', 'veth0', 'master', 'br0', 'up', 'alias', 'some alias é');
    using socket = NetlinkSocket.open(NETLINK.ROUTE);
    const messages = socket.dump(dumpLinks());
    expect(messages.length).toBeGreaterThanOrEqual(4);
    for (const { payload } of messages) {
      const link = decodeLink(payload);
      const kind =
        link.kind === undefined ? '' : link.kind.kind === 'other' ? link.kind.name : link.kind.kind;
      expect(viewLink(payload)).toEqual({
        index: link.index,
        flags: link.flags,
        name: link.name,
        mtu: link.mtu,
        txQueueLength: link.txQueueLength,
        kind,
        alias: link.alias ?? '',
        mac: link.mac,
        master: link.master,
        peer: link.parent,
        operState: link.operState,
      });
    }
  });

  test('says of addresses what the codec says', () => {
    run('ip', 'address', 'add', '10.1.0.1/24', 'dev', 'veth0');
    run('ip', 'address', 'add', '10.2.0.1', 'peer', '10.2.0.2/32', 'dev', 'veth0');
    run('ip', 'address', 'add', 'fd00::1/64', 'dev', 'veth0', 'nodad');
    using socket = NetlinkSocket.open(NETLINK.ROUTE);
    const messages = socket.dump(dumpAddresses());
    expect(messages.length).toBeGreaterThanOrEqual(5);
    for (const { payload } of messages) {
      const { index, address, flags } = decodeAddress(payload);
      expect(viewAddress(payload)).toEqual({ index, address, flags });
    }
  });

  test('survives cut-off messages', () => {
    using socket = NetlinkSocket.open(NETLINK.ROUTE);
    for (const { payload } of socket.dump(dumpLinks())) {
      for (let length = 16; length < payload.length; length += 7) viewLink(payload.slice(0, length));
    }
  });
});
