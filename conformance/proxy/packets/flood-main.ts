/**
 * The flood at length: at least so many removals, and so many packets. Prints figures; exit code 1 if a packet was lost.
 *
 * Usage: flood-main.ts [--removals N] [--packets N] [--seconds MOST]
 *
 * In the VM (`conformance/vm`) a thousandth of the rate is reached: ask for fewer removals, and give it an hour.
 */

import { parseArgs } from 'node:util';
import { NftablesMode } from '../../../cni/proxy/nftables/nftables-mode.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { freshNetns } from '../../testing/netns.ts';
import { isVm } from '../../testing/slowness.ts';
import { Cluster } from './cluster.ts';
import { flood } from './flood.ts';
import { realClock } from './real-clock.ts';
import { settingsOf } from './rows.ts';

/** Seconds after which the table is made anew, and the packets' sender with it. */
const ROUND = isVm ? 60 : 10;

const { values } = parseArgs({
  options: {
    removals: { type: 'string', default: '10000' },
    packets: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '120' },
  },
});
if (!freshNetns()) process.exit(1);
using _cluster = new Cluster();
using nft = KernelNftables.open();
let removals = 0;
let translated = 0;
let untranslated = 0;
let seconds = 0;
while (seconds < Number(values.seconds)) {
  using mode = new NftablesMode(settingsOf(4), nft, realClock);
  const result = await flood(mode, Math.min(ROUND, Number(values.seconds) - seconds));
  await mode.cleanUp();
  removals += result.removals;
  translated += result.translated;
  untranslated += result.untranslated;
  seconds += result.seconds;
  if (removals >= Number(values.removals) && translated >= Number(values.packets)) break;
}
console.info(
  `${removals} removals in ${seconds.toFixed(1)} s under ${Math.round(translated / seconds)} new flows a second: ` +
    `${translated} packets reached an endpoint, ${untranslated} none`,
);
const isEnough = removals >= Number(values.removals) && translated >= Number(values.packets);
if (!isEnough) console.info(`wanted: ${values.removals} removals and ${values.packets} packets`);
process.exit(untranslated === 0 && isEnough ? 0 : 1);
