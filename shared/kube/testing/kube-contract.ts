/** What this project relies on of an API server, run against the fake and a real one. */

import { describe, expect, test } from 'vitest';
import type { KubeClient } from '../client.ts';
import { isAlreadyExists, isConflict, isGone, isNotFound, KubeError } from '../errors.ts';
import { NODES } from '../resource.ts';
import type { Node, WatchEvent } from '../types.ts';

export interface KubeHarness extends AsyncDisposable {
  readonly client: KubeClient;
  /** Forgets the history, where the harness can have that done. */
  readonly compact?: () => Promise<void>;
}

/** Pulls the events of a running watch one by one. */
export class Watching implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #batches: AsyncIterator<readonly WatchEvent<Node>[]>;
  #waiting: WatchEvent<Node>[] = [];

  constructor(client: KubeClient, resourceVersion: string, labelSelector: string) {
    const options = { resourceVersion, labelSelector, signal: this.#stop.signal };
    this.#batches = client.watch(NODES, options)[Symbol.asyncIterator]();
  }

  /** `ADDED a`; bookmarks are passed over. */
  async next(): Promise<string> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event && event.type !== 'BOOKMARK') return `${event.type} ${event.object.metadata.name}`;
      if (event) continue;
      const { value, done } = await this.#batches.next();
      if (done) return 'end';
      this.#waiting = [...value];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#batches.return?.();
  }
}

let runs = 0;

export function describeKubeApi(name: string, make: () => Promise<KubeHarness>): void {
  /** Nodes of one test, found again by a label. */
  const inTest = (): { node: (name: string, more?: Partial<Node>) => Node; mine: string } => {
    runs += 1;
    const labels = { 'underpod.io/test': `t${runs}` };
    return {
      mine: `underpod.io/test=t${runs}`,
      node: (short, more) => ({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: `t${runs}-${short}`, labels },
        ...more,
      }),
    };
  };
  const nameOf = ({ metadata }: Node): string => metadata.name;

  describe(`${name}: objects`, () => {
    test('are made, read, replaced and deleted; what fails says how', async () => {
      await using h = await make();
      const { node } = inTest();
      const made = await h.client.create(NODES, node('a', { spec: { podCIDRs: ['10.244.1.0/24'] } }));
      expect(made.metadata.uid).toBeTruthy();
      const target = { name: made.metadata.name };
      expect((await h.client.get(NODES, target)).spec?.podCIDRs).toEqual(['10.244.1.0/24']);
      expect(isAlreadyExists(await h.client.create(NODES, node('a')).catch((error: unknown) => error))).toBe(
        true,
      );

      const labelled = { ...made, metadata: { ...made.metadata, labels: { more: 'x' } } };
      const replaced = await h.client.update(NODES, labelled, target);
      expect(replaced.metadata.labels).toEqual({ more: 'x' });
      const stale = await h.client.update(NODES, labelled, target).catch((error: unknown) => error);
      expect([isConflict(stale), isAlreadyExists(stale)]).toEqual([true, false]);

      await h.client.delete(NODES, target);
      expect(isNotFound(await h.client.get(NODES, target).catch((error: unknown) => error))).toBe(true);
      expect(isNotFound(await h.client.delete(NODES, target).catch((error: unknown) => error))).toBe(true);
    });

    test('a patch of the status changes annotations and conditions, one by one, and nothing of the spec', async () => {
      await using h = await make();
      const { node } = inTest();
      const { metadata } = await h.client.create(NODES, node('a', { spec: { podCIDRs: ['10.244.2.0/24'] } }));
      const target = { name: metadata.name, subresource: 'status' };
      const condition = (type: string, status: 'True' | 'False'): object => ({
        type,
        status,
        reason: 'Test',
      });
      const patches = [
        { metadata: { annotations: { 'x.io/a': '1', 'x.io/b': '2' } }, spec: { podCIDRs: ['10.9.9.0/24'] } },
        { metadata: { annotations: { 'x.io/a': null, 'x.io/c': '3' } } },
        { status: { conditions: [condition('One', 'True')] } },
        { status: { conditions: [condition('Two', 'True')] } },
        { status: { conditions: [condition('One', 'False')] } },
      ];
      for (const patch of patches) await h.client.patch(NODES, 'strategic', patch, target);
      const after = await h.client.get(NODES, { name: metadata.name });
      expect(after.metadata.annotations).toMatchObject({ 'x.io/b': '2', 'x.io/c': '3' });
      expect(after.metadata.annotations).not.toHaveProperty('x.io/a');
      expect(after.spec?.podCIDRs).toEqual(['10.244.2.0/24']);
      const conditions = after.status?.conditions?.map(({ type, status }) => `${type}=${status}`).sort();
      expect(conditions).toEqual(expect.arrayContaining(['One=False', 'Two=True']));
      await h.client.delete(NODES, { name: metadata.name });
    });

    test('merge and JSON patches', async () => {
      await using h = await make();
      const { node } = inTest();
      const { metadata } = await h.client.create(NODES, node('a'));
      const target = { name: metadata.name };
      await h.client.patch(NODES, 'merge', { metadata: { labels: { x: 'y' } } }, target);
      const operations = [{ op: 'replace', path: '/metadata/labels/x', value: 'z' }];
      const after = await h.client.patch(NODES, 'json', operations, target);
      expect(after.metadata.labels?.['x']).toBe('z');
      await h.client.delete(NODES, target);
    });
  });

  describe(`${name}: lists and watches`, () => {
    test('a list comes in pages, as one', async () => {
      await using h = await make();
      const { node, mine } = inTest();
      for (const short of ['a', 'b', 'c', 'd', 'e']) await h.client.create(NODES, node(short));
      const all = await h.client.list(NODES, nameOf, { limit: 2, labelSelector: mine });
      expect(all.items.map((item) => item.split('-')[1])).toEqual(['a', 'b', 'c', 'd', 'e']);
      expect(all.resourceVersion).toMatch(/^\d+$/);
      const one = await h.client.list(NODES, nameOf, { fieldSelector: `metadata.name=${all.items[1]}` });
      expect(one.items).toEqual([all.items[1]]);
      for (const item of all.items) await h.client.delete(NODES, { name: item });
    });

    test('a list that must not be older than what was seen, and one that no server can give', async () => {
      await using h = await make();
      const { node, mine } = inTest();
      for (const short of ['a', 'b', 'c']) await h.client.create(NODES, node(short));
      const options = { limit: 2, labelSelector: mine };
      const { resourceVersion } = await h.client.list(NODES, nameOf, options);
      const again = await h.client.list(NODES, nameOf, { ...options, notOlderThan: resourceVersion });
      expect(again.items).toHaveLength(3);
      expect(BigInt(again.resourceVersion) >= BigInt(resourceVersion)).toBe(true);
      // Of a cluster whose history was replaced by an older one.
      const future = String(BigInt(resourceVersion) + 1_000_000_000n);
      const restored = await h.client.list(NODES, nameOf, { ...options, notOlderThan: future });
      expect(restored.items).toEqual(again.items);
      for (const name of again.items) await h.client.delete(NODES, { name });
    });

    test('a watch tells what happened since a list, and what happens', async () => {
      await using h = await make();
      const { node, mine } = inTest();
      const { resourceVersion } = await h.client.list(NODES, nameOf, { labelSelector: mine });
      const { metadata } = await h.client.create(NODES, node('a'));
      await using watching = new Watching(h.client, resourceVersion, mine);
      expect(await watching.next()).toBe(`ADDED ${metadata.name}`);
      await h.client.patch(
        NODES,
        'merge',
        { metadata: { annotations: { x: 'y' } } },
        { name: metadata.name },
      );
      expect(await watching.next()).toBe(`MODIFIED ${metadata.name}`);
      await h.client.delete(NODES, { name: metadata.name });
      expect(await watching.next()).toBe(`DELETED ${metadata.name}`);
    });

    test('a watch from a version that is forgotten, or never was, is refused', async () => {
      await using h = await make();
      const { node, mine } = inTest();
      const { resourceVersion } = await h.client.list(NODES, nameOf, { labelSelector: mine });
      await using odd = new Watching(h.client, 'nonsense', mine);
      const refused = await odd.next().catch((error: unknown) => error);
      expect(refused instanceof KubeError && refused.code).toBe(500);
      if (!h.compact) return;
      const { metadata } = await h.client.create(NODES, node('a'));
      await h.compact();
      await using old = new Watching(h.client, resourceVersion, mine);
      expect(isGone(await old.next().catch((error: unknown) => error))).toBe(true);
      await h.client.delete(NODES, { name: metadata.name });
    });
  });
}
