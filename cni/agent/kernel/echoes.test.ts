import { expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { Change } from '../network/change.ts';
import type { VxlanDevice } from '../network/desired.ts';
import { NO_ENTRIES } from '../network/desired.ts';
import { planPeerChange } from '../network/plan-peer.ts';
import type { KernelEvent } from './event.ts';
import { LinuxKernel } from './linux-kernel.ts';

const available = freshNetns();
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;
const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
const mac = new Uint8Array([2, 0, 0, 0, 0, 7]);

/** Waits until that many events have come. @throws Error after 5 s */
async function until(events: readonly KernelEvent[], done: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`heard only ${Bun.inspect(events)}`);
    await Bun.sleep(5);
  }
}

test.skipIf(!available)('a peer that we add and remove is no news, what others do to it is', async () => {
  run('sh', '-ec', 'ip link add eth0 type bridge; ip link set eth0 up; ip address add 192.0.2.1/24 dev eth0');
  using kernel = LinuxKernel.open();
  const underlay = kernel.readNetwork([]).links.find((link) => link.name === 'eth0')?.index ?? 0;
  const device: VxlanDevice = {
    kind: 'vxlan',
    name: 'flannel.1',
    mac: new Uint8Array([2, 0, 0, 0, 0, 1]),
    mtu: 1450,
    addresses: [cidr('10.244.1.0/32')],
    vxlan: { vni: 1, port: 8472, local: ip('192.0.2.1'), underlay, learning: false, gbp: false },
  };
  expect(
    kernel.apply([
      { kind: 'create-device', device },
      { kind: 'add-address', device: device.name, address: cidr('10.244.1.0/32') },
    ]),
  ).toEqual([]);
  const index = kernel.readNetwork([]).links.find((link) => link.name === device.name)?.index ?? 0;
  const entries = {
    ...NO_ENTRIES,
    neighbours: [{ device: device.name, ip: ip('10.244.2.0'), mac }],
    fdb: [{ device: device.name, mac, destination: ip('192.0.2.2') }],
    routes: [
      { destination: cidr('10.244.2.0/24'), gateway: ip('10.244.2.0'), device: device.name, onlink: true },
    ],
  };
  const events: KernelEvent[] = [];
  using _watch = await kernel.watch((event) => events.push(event));
  const change = (changes: readonly Change[]): void => expect(kernel.apply(changes)).toEqual([]);
  change(planPeerChange(NO_ENTRIES, entries, () => index));
  change(planPeerChange(entries, NO_ENTRIES, () => index));
  change(planPeerChange(NO_ENTRIES, entries, () => index));
  // Somebody else's event is the last: what came before has been heard.
  run('ip', 'route', 'add', '198.51.100.0/24', 'dev', 'eth0');
  await until(events, () => events.some((event) => event.kind === 'route'));
  const ofDevice = (): KernelEvent[] =>
    events.filter((event) => event.kind === 'neighbour' && event.index === index);
  expect(ofDevice()).toEqual([]);

  run('bridge', 'fdb', 'replace', '02:00:00:00:00:07', 'dev', device.name, 'dst', '192.0.2.9', 'self');
  await until(events, () => ofDevice().length === 1);

  const [fdb] = entries.fdb;
  if (fdb) change([{ kind: 'set-fdb', fdb }]);
  // What was deleted and set again is somebody else's to delete.
  change(planPeerChange(entries, NO_ENTRIES, () => index));
  change(planPeerChange(NO_ENTRIES, entries, () => index));
  run('ip', 'route', 'add', '203.0.113.0/24', 'dev', 'eth0');
  await until(events, () => events.filter((event) => event.kind === 'route').length >= 2);
  const deleteByHand = (): string =>
    run('bridge', 'fdb', 'delete', '02:00:00:00:00:07', 'dev', device.name, 'dst', '192.0.2.2', 'self');
  const before = ofDevice().length;
  deleteByHand();
  await until(events, () => ofDevice().length > before);

  // A deletion of ours that finds nothing makes no event, and must not be taken for somebody else's.
  const isOfFdb = ({ kind }: Change): boolean => kind === 'delete-fdb';
  change(planPeerChange(entries, NO_ENTRIES, () => index).filter(isOfFdb));
  if (fdb) change([{ kind: 'set-fdb', fdb }]);
  run('ip', 'route', 'add', '203.0.113.128/25', 'dev', 'eth0');
  await until(events, () => events.filter((event) => event.kind === 'route').length >= 3);
  const afterwards = ofDevice().length;
  deleteByHand();
  await until(events, () => ofDevice().length > afterwards);
});

test.skipIf(!available)(
  'thousands of changes of ours at once are no news either, and overrun nothing',
  async () => {
    run(
      'sh',
      '-ec',
      'ip link add under type bridge; ip link set under up; ip address add 198.18.0.1/15 dev under',
    );
    using kernel = LinuxKernel.open();
    const underlay = kernel.readNetwork([]).links.find((link) => link.name === 'under')?.index ?? 0;
    const device: VxlanDevice = {
      kind: 'vxlan',
      name: 'flannel.9',
      mac: new Uint8Array([2, 0, 0, 0, 0, 1]),
      mtu: 1450,
      addresses: [],
      vxlan: { vni: 9, port: 8473, local: ip('198.18.0.1'), underlay, learning: false, gbp: false },
    };
    const number = Array.from({ length: 5000 }, (_, n) => n);
    const subnet = (n: number): string => `10.${n >> 8}.${n & 255}.0`;
    const macOf = (n: number): Uint8Array => new Uint8Array([2, 1, 0, 0, n >> 8, n & 255]);
    const entries = {
      ...NO_ENTRIES,
      neighbours: number.map((n) => ({ device: device.name, ip: ip(subnet(n)), mac: macOf(n) })),
      fdb: number.map((n) => ({
        device: device.name,
        mac: macOf(n),
        destination: ip(`198.19.${n >> 8}.${n & 255}`),
      })),
      routes: number.map((n) => ({
        destination: cidr(`${subnet(n)}/24`),
        gateway: ip(subnet(n)),
        device: device.name,
        onlink: true,
      })),
    };
    expect(kernel.apply([{ kind: 'create-device', device }])).toEqual([]);
    const index = kernel.readNetwork([]).links.find((link) => link.name === device.name)?.index ?? 0;
    const events: KernelEvent[] = [];
    using _watch = await kernel.watch((event) => events.push(event));
    expect(kernel.apply(planPeerChange(NO_ENTRIES, entries, () => index))).toEqual([]);
    run('ip', 'route', 'add', '192.0.2.128/25', 'dev', 'under');
    const isMarker = (event: KernelEvent): boolean => event.kind === 'route';
    await until(events, () => events.some(isMarker));
    // The bridge below goes up in its own time.
    expect(events.filter((event) => !isMarker(event) && event.kind !== 'link')).toEqual([]);
  },
);
