/** The kernel for a command that changes nothing: what would be written is left out, and taken for done. */

import type { Kernel } from '../../cni/agent/kernel/kernel.ts';
import type { CommandResult } from '../../shared/iptables/programs.ts';
import type { Nftables } from '../../shared/nftables/nftables.ts';

/** Programs, by their last part, that only print. */
const PRINTS = /(-save|--version)$|^-S$/;

/** A view of `kernel` that reads and never writes. */
export function lookOnly(kernel: Kernel): Kernel {
  const done: CommandResult = { code: 0, stdout: '', stderr: '' };
  return {
    readNetwork: (devices) => kernel.readNetwork(devices),
    readLinks: () => kernel.readLinks(),
    apply: () => [],
    routesTo: (destinations) => kernel.routesTo(destinations),
    nftables: readOnly(kernel.nftables),
    readSysctl: (key) => kernel.readSysctl(key),
    writeSysctl: () => undefined,
    run: async (argv, input) => {
      const prints = input === undefined && argv.some((word) => PRINTS.test(word));
      return prints ? await kernel.run(argv) : done;
    },
    legacyFingerprint: (family, table) => kernel.legacyFingerprint(family, table),
    legacyGlance: (family, table) => kernel.legacyGlance(family, table),
    legacyChains: (family, table) => kernel.legacyChains(family, table),
    wireguardGlance: (index) => kernel.wireguardGlance(index),
    watch: (listener) => kernel.watch(listener),
    [Symbol.dispose]: () => undefined,
  };
}

function readOnly(nftables: Nftables): Nftables {
  return {
    run: () => undefined,
    listTables: (family) => nftables.listTables(family),
    listChains: (table) => nftables.listChains(table),
    listRules: (table, chain) => nftables.listRules(table, chain),
    listRuleLabels: (table, chain, comment, match) => nftables.listRuleLabels(table, chain, comment, match),
    findRuleLabels: (refs) => nftables.findRuleLabels(refs),
    listSets: (table) => nftables.listSets(table),
    listElements: (set) => nftables.listElements(set),
    listPacked: (set) => nftables.listPacked(set),
    findElement: (set, key) => nftables.findElement(set, key),
    getGeneration: () => nftables.getGeneration(),
  };
}
