import type { ModeClock } from '../../../cni/proxy/nftables/nftables-mode.ts';

/** The machine's clock, as modes take it. */
export const realClock: ModeClock = {
  monotonic: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
