import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { freshNetns, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { createNetns, deleteNetns, openNetns } from '../sys/netns.ts';
import { RTM, RTNLGRP } from './codec/constants.ts';
import { decodeLink } from './codec/link.ts';
import { NETLINK, type NlMessage } from './codec/message.ts';
import { NetlinkMonitor } from './monitor.ts';
import { delLink, newLink, setLink } from './requests.ts';
import { Rtnetlink } from './rtnetlink.ts';

const available = freshNetns();

/** What a monitor told, and a way to wait for it to tell something. */
class Recorder {
  readonly messages: NlMessage[] = [];
  resyncs = 0;
  readonly errors: unknown[] = [];
  #wake: () => void = () => {};

  readonly callbacks = {
    onMessages: (messages: readonly NlMessage[]): void => {
      this.messages.push(...messages);
      this.#wake();
    },
    onResync: (): void => {
      this.resyncs++;
      this.#wake();
    },
    onError: (error: unknown): void => {
      this.errors.push(error);
      this.#wake();
    },
  };

  /** Waits until `condition` holds; it is looked at after each callback. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  has(type: number, name: string): boolean {
    return this.messages.some(
      (message) => message.type === type && decodeLink(message.payload).name === name,
    );
  }
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;

describe.skipIf(!available)('a monitor', () => {
  const rt = available ? Rtnetlink.open() : (undefined as unknown as Rtnetlink);
  const directory = new TemporaryDirectory();
  const path = directory.join('other');
  if (available) createNetns(path);
  afterAll(() => {
    rt[Symbol.dispose]();
    deleteNetns(path);
    directory[Symbol.dispose]();
  });

  test('tells what happens in the groups that it listens to', async () => {
    const recorder = new Recorder();
    using _monitor = await NetlinkMonitor.open({
      protocol: NETLINK.ROUTE,
      groups: [RTNLGRP.LINK],
      ...recorder.callbacks,
    });
    rt.socket.request(newLink({ name: 'br0', kind: { kind: 'bridge' } }));
    await recorder.until(() => recorder.has(RTM.NEWLINK, 'br0'));
    rt.socket.request(delLink({ name: 'br0' }));
    await recorder.until(() => recorder.has(RTM.DELLINK, 'br0'));
    expect(recorder).toMatchObject({ resyncs: 0, errors: [] });
    // Links only: no addresses, no neighbours.
    expect(new Set(recorder.messages.map((message) => message.type))).toEqual(
      new Set([RTM.NEWLINK, RTM.DELLINK]),
    );
  });

  test('listens in the namespace that it is given', async () => {
    using netns = openNetns(path);
    using inside = Rtnetlink.open({ netns });
    const recorder = new Recorder();
    using _monitor = await NetlinkMonitor.open({
      protocol: NETLINK.ROUTE,
      groups: [RTNLGRP.LINK],
      netns,
      ...recorder.callbacks,
    });
    rt.socket.request(newLink({ name: 'here', kind: { kind: 'bridge' } }));
    inside.socket.request(newLink({ name: 'there', kind: { kind: 'bridge' } }));
    await recorder.until(() => recorder.has(RTM.NEWLINK, 'there'));
    expect(recorder.has(RTM.NEWLINK, 'here')).toBe(false);
  });

  test('starts over when events were lost and says so', async () => {
    const recorder = new Recorder();
    const before = descriptors();
    const monitor = await NetlinkMonitor.open({
      protocol: NETLINK.ROUTE,
      groups: [RTNLGRP.LINK],
      receiveBuffer: 8192,
      ...recorder.callbacks,
    });
    rt.socket.request(newLink({ name: 'storm', kind: { kind: 'bridge' } }));
    // The event loop does not turn in here, so nothing is read meanwhile.
    for (let i = 0; i < 100; i++) rt.socket.request(setLink({ name: 'storm', mtu: 1000 + i }));
    await recorder.until(() => recorder.resyncs > 0);
    expect(monitor.overruns).toBe(1);

    rt.socket.request(newLink({ name: 'after', kind: { kind: 'bridge' } }));
    await recorder.until(() => recorder.has(RTM.NEWLINK, 'after'));
    expect(recorder.errors).toEqual([]);
    monitor.close();
    expect(descriptors()).toBe(before);
  });

  test('calls nobody after it was closed', async () => {
    const closed = new Recorder();
    const other = new Recorder();
    const groups = [RTNLGRP.LINK];
    const monitor = await NetlinkMonitor.open({ protocol: NETLINK.ROUTE, groups, ...closed.callbacks });
    using _other = await NetlinkMonitor.open({ protocol: NETLINK.ROUTE, groups, ...other.callbacks });
    rt.socket.request(newLink({ name: 'last', kind: { kind: 'bridge' } }));
    monitor.close();
    await other.until(() => other.has(RTM.NEWLINK, 'last'));
    expect(closed).toMatchObject({ messages: [], resyncs: 0, errors: [] });
  });

  test('ends with an error when it cannot start over', async () => {
    const recorder = new Recorder();
    const netns = openNetns(path);
    using inside = Rtnetlink.open({ netns });
    await NetlinkMonitor.open({
      protocol: NETLINK.ROUTE,
      groups: [RTNLGRP.LINK],
      netns,
      receiveBuffer: 8192,
      ...recorder.callbacks,
    });
    netns.close();
    for (let i = 0; i < 100; i++) inside.socket.request(setLink({ name: 'there', mtu: 1000 + i }));
    await recorder.until(() => recorder.errors.length > 0);
    expect(String(recorder.errors[0])).toContain('after close');
    expect(recorder.resyncs).toBe(0);
  });

  test('a group that does not exist is an error of the open, and no descriptor stays open', async () => {
    const before = descriptors();
    const open = NetlinkMonitor.open({
      protocol: NETLINK.ROUTE,
      groups: [4000],
      ...new Recorder().callbacks,
    });
    await expect(open).rejects.toThrow(/EINVAL/);
    expect(descriptors()).toBe(before);
  });
});
