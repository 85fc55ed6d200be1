/**
 * Builds what ours is held against, where there is Go: upstream's plugins, flannel's last one of them, cnitool, flanneld,
 * csi-sanity, and of Kubernetes the API server, or with --all everything that a node and a control plane run, and CSI's
 * sidecars. Tests find them in build/ and are skipped, with the reason printed, without them. Nothing to do when all is there.
 *
 * Usage: peers.ts [--all] [--within SECONDS]. It fails where there is Go and something could not be built; what there was
 * no time for is told, and is no failure.
 */

import { parseArgs } from 'node:util';
import { cnitool } from './cni/cnitool.ts';
import { buildGoPlugins } from './cni/go-plugins.ts';
import { upstreamFlannel } from './cni/upstream.ts';
import { buildSanity, SANITY_VERSION } from './csi/programs.ts';
import { etcdProgram } from './etcd/program.ts';
import { buildFlanneld } from './flannel/programs.ts';
import { ipsetEnvironment } from './kubernetes/ipset.ts';
import { buildKubernetes, KUBERNETES_PROGRAMS, KUBERNETES_VERSION } from './kubernetes/programs.ts';
import { buildSidecars } from './sidecars/programs.ts';
import { TOO_LATE } from './testing/go-programs.ts';

const { values } = parseArgs({ options: { all: { type: 'boolean' }, within: { type: 'string' } } });
const programs = values.all ? KUBERNETES_PROGRAMS : (['kube-apiserver'] as const);
const deadline = performance.now() + Number(values.within ?? 3600) * 1000;
const left = (): number => deadline - performance.now();

/** What could not be had; prints why. */
function missing(what: string, why: string | undefined): string[] {
  if (why === undefined) return [];
  console.log(`${what}: ${why}`);
  return why === TOO_LATE ? [] : [what];
}
const absent = (what: string, path: string | undefined): string[] => (path === undefined ? [what] : []);

etcdProgram();
// Of kube-proxy's mode ipvs.
if (values.all) ipsetEnvironment();
const failed = [
  ...absent("upstream's plugins", buildGoPlugins()),
  ...absent("flannel's", upstreamFlannel()),
  ...absent('cnitool', cnitool()),
  ...missing(`csi-sanity ${SANITY_VERSION}`, await buildSanity(left())),
  // The long ones come last, so that a step that is stopped has the others.
  ...missing('flanneld', await buildFlanneld(left())),
  ...missing(`Kubernetes ${KUBERNETES_VERSION}`, await buildKubernetes(programs, left())),
  ...(values.all ? missing("CSI's sidecars", await buildSidecars(left())) : []),
];
if (failed.length > 0) console.log(`peers: without ${failed.join(', ')}`);
process.exit(failed.length > 0 && Bun.which('go') !== null ? 1 : 0);
