import { describe, expect, test } from 'vitest';
import { coverWithTmpfs, freshNetns, run } from '../../../conformance/testing/netns.ts';
import { RTM, RTNLGRP } from '../../../shared/netlink/codec/constants.ts';
import { decodeLink, IFF } from '../../../shared/netlink/codec/link.ts';
import { decodeMessages, NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { AF, SOCK } from '../../../shared/sys/constants.ts';
import { createNetns, deleteNetns, openNetns } from '../../../shared/sys/netns.ts';
import { bindNetlink, openSocket, receive, waitReadable } from '../../../shared/sys/socket.ts';
import { attachmentMac, hostVethName } from './attachment.ts';
import { createVethPair } from './host-veth.ts';
import { readLink } from './links.ts';

const available = freshNetns();

describe.skipIf(!available)('a pair', () => {
  test('is set up last: what changes while it is up without a carrier costs a walk over all ports and routes', () => {
    coverWithTmpfs('/run');
    createNetns('/run/netns/pod');
    run('ip', 'link', 'add', 'br0', 'up', 'type', 'bridge');
    using netns = openNetns('/run/netns/pod');
    using host = NetlinkSocket.open(NETLINK.ROUTE);
    using events = openSocket(AF.NETLINK, SOCK.RAW, NETLINK.ROUTE);
    bindNetlink(events.fd, 1 << (RTNLGRP.LINK - 1));
    const key = { network: 'net', containerId: 'pod', ifname: 'eth0' };
    const name = hostVethName(key);
    const bridge = readLink(host, { name: 'br0' });
    createVethPair(host, {
      key,
      name,
      netns,
      mtu: 0,
      mac: attachmentMac(key, 'pod'),
      port: { bridge: bridge?.index ?? 0, options: { hairpin: true, isolated: false } },
    });
    const buffer = new Uint8Array(65_536);
    const flags: number[] = [];
    while (waitReadable(events.fd, 0)) {
      for (const { type, payload } of decodeMessages(buffer.slice(0, receive(events.fd, buffer)))) {
        // The bridge tells of its ports in its own family.
        if (type !== RTM.NEWLINK || payload[0] !== AF.UNSPEC) continue;
        const link = decodeLink(payload);
        if (link.name === name) flags.push(link.flags);
      }
    }
    const ups = flags.filter((one) => (one & IFF.UP) !== 0);
    expect(flags.length).toBeGreaterThan(2);
    expect(ups.length).toBe(1);
    expect(readLink(host, { name })?.alias).toBe('underpod:net/pod/eth0');
    deleteNetns('/run/netns/pod');
  });
});
