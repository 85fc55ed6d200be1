/** Group snapshots, in the version that the cluster has: there are three of them, and most clusters have none. */

import { type KubeClock, sleep } from '../../../shared/kube/clock.ts';
import { isNotFound } from '../../../shared/kube/errors.ts';
import { GROUP_VERSIONS, type GroupVersion, groupContents } from '../../../shared/kube/storage-resources.ts';
import { slim } from './claim-view.ts';
import type { ClusterView } from './cluster-view.ts';
import { ContentQueue } from './content-queue.ts';
import type { Context } from './context.ts';
import { groupKind } from './group-kind.ts';

/** How often a cluster without them is asked again, in ms. */
const AGAIN_MS = 60_000;

export class Groups implements Disposable {
  readonly #context: Context;
  readonly #view: ClusterView;
  #queue: ContentQueue<never> | undefined;
  #isStopped = false;

  constructor(context: Context, view: ClusterView) {
    this.#context = context;
    this.#view = view;
  }

  get failing(): readonly { readonly content: string; readonly why: string }[] {
    return this.#queue?.failing ?? [];
  }

  refresh(): void {
    this.#queue?.refresh();
  }

  async idle(): Promise<void> {
    await this.#queue?.idle();
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    this.#queue?.[Symbol.dispose]();
  }

  /** Works until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, driver } = this.#context.options;
    const version = await this.#version(clock, signal);
    if (version === undefined || this.#isStopped) return;
    const kind = groupKind(this.#context, version);
    const contents = this.#view.copy(kind.resource, (content) =>
      content.spec.driver === driver ? slim(content) : undefined,
    );
    this.#queue = new ContentQueue(
      this.#context,
      this.#view,
      kind,
      contents,
    ) as unknown as ContentQueue<never>;
    await contents.run(signal);
  }

  /** Waits for one. `undefined`: the signal was first. */
  async #version(clock: KubeClock, signal: AbortSignal): Promise<GroupVersion | undefined> {
    const { client } = this.#context.options;
    while (!signal.aborted) {
      for (const version of GROUP_VERSIONS) {
        const resource = groupContents(version);
        try {
          await client.list(resource, () => undefined, { limit: 1, signal });
          return version;
        } catch (error) {
          if (signal.aborted) return undefined;
          // Of another error the kind's own copy tells, once there is one.
          if (isNotFound(error)) this.#view.health.report(resource.plural, error);
          else break;
        }
      }
      await sleep(clock, AGAIN_MS, signal);
    }
    return undefined;
  }
}
