/**
 * Preloaded (`bun --preload`): a build of the proxy whose table has another layout, in number and in shape. Two of the maps that
 * every packet is looked up in have other names, so that nothing of the one can be taken for the other's.
 */

const CHANGES: readonly (readonly [from: string, to: string])[] = [
  ['export const LAYOUT = ', 'export const LAYOUT = 9000 + '],
  ["slots: slots('slots'", "slots: slots('places'"],
  ["frontends: map('frontends'", "frontends: map('fronts'"],
];

Bun.plugin({
  name: 'next layout',
  setup: (build) => {
    build.onLoad({ filter: /\/cni\/proxy\/nftables\/layout\.ts$/ }, async ({ path }) => {
      let contents = await Bun.file(path).text();
      for (const [from, to] of CHANGES) {
        if (!contents.includes(from)) throw new Error(`layout.ts has no "${from}" to change`);
        contents = contents.replace(from, to);
      }
      return { contents, loader: 'ts' };
    });
  },
});
