/** What the tests of whole clusters share: what they need, and a cluster in this process's own namespaces. */
import { mkdirSync } from 'node:fs';
import { type Runtime, runtimesToTest } from '../../containerd/runtimes.ts';
import { coverWithTmpfs, freshNetns } from '../../testing/netns.ts';
import { Cluster } from './cluster.ts';
import { busyboxImage, type Image, ourImage } from './images.ts';
import { clusterMissing } from './programs.ts';

/** What is made and fetched while this process is still in the machine's network. */
export interface Ingredients {
  readonly runtime: Runtime;
  readonly image: Image;
}

/** Where everything is: memory that ends with this process. */
const DIRECTORY = '/run/cluster';

/**
 * Gets what a cluster is made of, and moves this process into namespaces of its own; call it once, at a file's top level.
 *
 * @param before what else is to be done in the machine's network. @returns why it cannot be, if so
 * @throws Error where there can be no cluster: what is not tried must not be said to hold
 */
export async function clusterIngredients(
  before: () => string | undefined = () => undefined,
): Promise<Ingredients> {
  const runtimes = await runtimesToTest();
  const runtime = runtimes.at(-1);
  const missing = clusterMissing(runtimes) ?? before();
  if (missing !== undefined || runtime === undefined) throw new Error(`no whole cluster here: ${missing}`);
  const image = ourImage();
  if (!freshNetns()) throw new Error('no whole cluster here: no namespaces');
  coverWithTmpfs('/run');
  for (const path of ['/run/netns', '/run/lock', DIRECTORY]) mkdirSync(path);
  return { runtime, image };
}

/** Two nodes without a network. @param more makes further images, in a directory */
export function startCluster(
  { runtime, image }: Ingredients,
  more: (directory: string) => Image[] = () => [],
): Promise<Cluster> {
  const images = [busyboxImage(`${DIRECTORY}/busybox`), image, ...more(DIRECTORY)] as [Image, ...Image[]];
  return Cluster.start({ directory: DIRECTORY, nodes: 2, runtime, images });
}

/** Where overlays go. */
export const OVERLAYS: string = `${DIRECTORY}/overlays`;
