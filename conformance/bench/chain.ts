/**
 * Whole chains of plugins, called as a runtime calls them: one process after the other, each with the result of the one
 * before. A chain of the single type `underpod` is one process.
 */

import type { Config } from '../cni/configs.ts';
import { type Answer, type Call, type Container, startCall, type World } from '../cni/world.ts';

/** What a pod asks for, by capability. */
export type Wishes = Readonly<Record<string, unknown>>;

/** A network configuration list, and where its plugins are. */
export interface Chain {
  readonly directory: string;
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly Readonly<Record<string, unknown>>[];
}

/** Milliseconds from the spawn of the first process to the end of the last one. */
export interface Times {
  readonly add: number;
  readonly del: number;
}

function configOf(chain: Chain, plugin: Readonly<Record<string, unknown>>, wishes: Wishes): Config {
  const { capabilities = {}, ...keys } = plugin as { capabilities?: Record<string, boolean> };
  const asked = Object.entries(wishes).filter(([name]) => capabilities[name]);
  return {
    cniVersion: chain.cniVersion,
    name: chain.name,
    ...keys,
    ...(asked.length > 0 ? { runtimeConfig: Object.fromEntries(asked) } : {}),
  } as unknown as Config;
}

async function call(
  chain: Chain,
  command: Call['command'],
  config: Config,
  container: Container,
): Promise<Answer> {
  const answer = await startCall({
    command,
    program: `${chain.directory}/${config.type}`,
    config,
    containerId: container.id,
    ifname: container.ifname,
    netns: container.netns,
  }).answer;
  if (answer.code === 0) return answer;
  throw new Error(
    `${command} ${config.type}: exit ${answer.code ?? answer.signal}: ${answer.stdout}${answer.stderr}`,
  );
}

/** ADD of every plugin in order. Returns the last result, with how long it took. */
export async function addChain(
  chain: Chain,
  container: Container,
  wishes: Wishes,
): Promise<{ readonly ms: number; readonly result: unknown }> {
  let ms = 0;
  let result: unknown;
  for (const plugin of chain.plugins) {
    const config = configOf(chain, plugin, wishes);
    const answer = await call(
      chain,
      'ADD',
      result === undefined ? config : { ...config, prevResult: result },
      container,
    );
    ms += answer.ms;
    result = JSON.parse(answer.stdout);
  }
  return { ms, result };
}

/** DEL of every plugin in reverse order. Returns how long it took. */
export async function delChain(
  chain: Chain,
  container: Container,
  wishes: Wishes,
  result: unknown,
): Promise<number> {
  let ms = 0;
  for (const plugin of chain.plugins.toReversed()) {
    const config = { ...configOf(chain, plugin, wishes), prevResult: result };
    ms += (await call(chain, 'DEL', config, container)).ms;
  }
  return ms;
}

/** `width` pods at the same time, each added and then deleted; the deletions start when all are added. */
export async function roundOf(
  world: World,
  chain: Chain,
  width: number,
  wishesOf: (pod: number) => Wishes,
): Promise<Times[]> {
  const pods = Array.from({ length: width }, (_, pod) => ({
    container: world.container(),
    wishes: wishesOf(pod),
  }));
  const added = await Promise.all(
    pods.map(async (pod) => ({ ...pod, ...(await addChain(chain, pod.container, pod.wishes)) })),
  );
  const deleted = await Promise.all(
    added.map(({ container, wishes, result }) => delChain(chain, container, wishes, result)),
  );
  for (const { container } of pods) world.remove(container);
  return added.map(({ ms }, index) => ({ add: ms, del: deleted[index] ?? Number.NaN }));
}
