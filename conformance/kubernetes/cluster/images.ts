/** The images of the cluster's pods: ours as users have it, and one of the test's own. */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { nativeArchitecture } from '../../../scripts/bun-runtime.ts';
import { buildImage, REFERENCE } from '../../../scripts/images.ts';
import { makeImage } from '../../containerd/image.ts';

/** An archive for `ctr images import`, and the name under which it is known then. */
export interface Image {
  readonly archive: string;
  readonly reference: string;
}

/** busybox, for sandboxes and for what users run. */
export const BUSYBOX = 'docker.io/library/underpod-test:1';
/** What its web server answers. */
export const PAGE = 'served from a pod\n';

/** What `make images` makes for this machine, as nobody changes it any more. */
export function ourImage(): Image {
  return { archive: resolve(buildImage(nativeArchitecture())), reference: `docker.io/library/${REFERENCE}` };
}

/** @param directory for the archive, is made */
export function busyboxImage(directory: string): Image {
  mkdirSync(directory, { recursive: true });
  return { archive: makeImage(directory, BUSYBOX, PAGE), reference: BUSYBOX };
}
