import { invalidConfig } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { AddOptions } from '../common/delegate.ts';
import { openPodNetns, openPodNetnsIfExists } from '../common/pod-netns.ts';
import { Rollback } from '../common/rollback.ts';
import { readTuningConfig } from './config.ts';
import { requireAllowed } from './require-allowed.ts';
import { hasSettings } from './settings.ts';
import { setSysctls } from './sysctls.ts';

/**
 * ADD: sets parameters, then attributes of the interface; all or nothing. prevResult is handed on with the latter.
 *
 * Who fails after it gets the step that sets the parameters back: DEL leaves them to the namespace's end.
 */
export async function addTuning({ conf, env }: AddRequest, options: AddOptions = {}): Promise<Result> {
  const config = readTuningConfig(conf, env.args);
  const { prevResult } = conf;
  if (!prevResult) {
    throw invalidConfig('ADD needs "prevResult": tuning comes after a plugin that makes the interface');
  }
  await requireAllowed(config.sysctls);
  using netns = openPodNetns(env.netns);
  const rollback = new Rollback();
  try {
    if (config.sysctls.length > 0) {
      const setBack = setSysctls(netns, config.sysctls, env.ifname);
      rollback.defer(() => setBack(netns));
      // By then this descriptor is closed.
      options.defer?.(() => {
        using again = openPodNetnsIfExists(env.netns);
        if (again) setBack(again);
      });
    }
    if (!hasSettings(config.settings)) return prevResult;
    const { addSettings, tunedResult } = await import('./add-settings.ts');
    const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
    addSettings(netns, key, config);
    return tunedResult(prevResult, env.ifname, config.settings);
  } catch (error) {
    return await rollback.fail(error);
  }
}
