/**
 * Builds what our plugins are held against, where there is Go: upstream's plugins, flannel's last one of them, and
 * cnitool. Tests find them in build/ and are skipped, with the reason printed, without them. Nothing to do when all is there.
 *
 * Usage: peers.ts. It fails where there is Go and something could not be built.
 */

import { cnitool } from './cnitool.ts';
import { buildGoPlugins } from './go-plugins.ts';
import { upstreamFlannel } from './upstream.ts';

const missing = Object.entries({
  "upstream's plugins": buildGoPlugins(),
  "flannel's": upstreamFlannel(),
  cnitool: cnitool(),
})
  .filter(([, path]) => path === undefined)
  .map(([name]) => name);
if (missing.length > 0) console.log(`peers: without ${missing.join(', ')}`);
process.exit(missing.length > 0 && Bun.which('go') !== null ? 1 : 0);
