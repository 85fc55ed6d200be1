import type { DelRequest } from '../../protocol/plugin.ts';
import { openPodNetnsIfExists } from '../common/pod-netns.ts';
import { readDataDirLeniently } from './config.ts';
import { forgetSaved, savedDirectories } from './saved.ts';

/**
 * DEL: gives the interface back what it had, if it is still there, and forgets it. Parameters are left: they go with the
 * pod's namespace.
 */
export async function delTuning({ conf, env }: DelRequest): Promise<void> {
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  const directories = savedDirectories(key, readDataDirLeniently(conf));
  if (directories.length === 0) return;
  using netns = openPodNetnsIfExists(env.netns);
  if (netns) (await import('./restore.ts')).restoreSettings(netns, key, directories);
  forgetSaved(key, directories);
}
