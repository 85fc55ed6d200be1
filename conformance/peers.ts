/**
 * Builds what ours is held against, where there is Go: upstream's plugins, flannel's last one of them, cnitool, flanneld,
 * and of Kubernetes the API server, or with --all everything that a node and a control plane run. Tests find them in
 * build/ and are skipped, with the reason printed, without them. Nothing to do when all is there.
 *
 * Usage: peers.ts [--all]. It fails where there is Go and something could not be built.
 */

import { cnitool } from './cni/cnitool.ts';
import { buildGoPlugins } from './cni/go-plugins.ts';
import { upstreamFlannel } from './cni/upstream.ts';
import { buildFlanneld } from './flannel/programs.ts';
import { buildKubernetes, KUBERNETES_PROGRAMS, KUBERNETES_VERSION } from './kubernetes/programs.ts';

const programs = process.argv.includes('--all') ? KUBERNETES_PROGRAMS : (['kube-apiserver'] as const);
// Each prints why it cannot be had; the long one comes last, so that a step that is stopped has the others.
const reason = (what: string, why: string | undefined): string | undefined => {
  if (why !== undefined) console.error(`${what}: ${why}`);
  return why === undefined ? what : undefined;
};
const missing = Object.entries({
  "upstream's plugins": buildGoPlugins(),
  "flannel's": upstreamFlannel(),
  cnitool: cnitool(),
  flanneld: reason('flanneld', await buildFlanneld()),
  kubernetes: reason(`Kubernetes ${KUBERNETES_VERSION}`, await buildKubernetes(programs)),
})
  .filter(([, path]) => path === undefined)
  .map(([name]) => name);
if (missing.length > 0) console.log(`peers: without ${missing.join(', ')}`);
process.exit(missing.length > 0 && Bun.which('go') !== null ? 1 : 0);
