import { expect, test } from 'vitest';
import { gatewayPortVlans, podPortVlans } from './port-vlans.ts';

/** Flags of linux/if_bridge.h: PVID 2, UNTAGGED 4, RANGE_BEGIN 8, RANGE_END 16. */
test.each([
  [{ vlan: 0, vlanTrunk: [] }, []],
  [{ vlan: 100, vlanTrunk: [] }, [[100, 6]]],
  [
    { vlan: 0, vlanTrunk: [7] },
    [
      [7, 0],
      [1, 6],
    ],
  ],
  [
    { vlan: 9, vlanTrunk: [2, 3, 4, 8, 10, 11] },
    [
      [9, 6],
      [2, 8],
      [4, 16],
      [8, 0],
      [10, 8],
      [11, 16],
    ],
  ],
  [
    { vlan: 0, vlanTrunk: [1, 2] },
    [
      [1, 8],
      [2, 16],
      [1, 6],
    ],
  ],
])('%j', (config, expected) => {
  expect(podPortVlans(config).map(({ id, flags }) => [id, flags])).toEqual(expected);
});

test('a gateway is in its VLAN alone', () => {
  expect(gatewayPortVlans(5)).toEqual([{ id: 5, flags: 6 }]);
});
