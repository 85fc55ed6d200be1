import type { Random } from '../../testing/random.ts';
import { mutateText } from '../mutate-text.ts';
import { configs, environments } from '../seeds.ts';
import { type Target, target } from '../target.ts';
import { judgeCall } from './cni-config.ts';

const stdin = new TextEncoder().encode(JSON.stringify(configs[2]));

/** A whole call with a mutated environment. */
export const cniEnv: Target = target<Record<string, string>>({
  name: 'cni-env',
  generate: (random) => mutateEnvironment({ ...random.pick(environments) }, random),
  seeds: environments,
  changed: (env) => JSON.stringify(env),
  judge: (env) => judgeCall({ env, stdin: () => stdin, isOwnNetns: (path) => path.length % 7 === 0 }),
  describe: (env) => JSON.stringify(env),
});

function mutateEnvironment(env: Record<string, string>, random: Random): Record<string, string> {
  for (let count = 1 + random.below(2); count > 0; count--) {
    const key = random.pick(Object.keys(env));
    if (random.below(8) === 0) delete env[key];
    else env[key] = mutateText(env[key] ?? '', random);
    if (random.below(8) === 0) env['CNI_NETNS_OVERRIDE'] = mutateText('true', random);
  }
  return env;
}
