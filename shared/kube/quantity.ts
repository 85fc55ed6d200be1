/**
 * Amounts as Kubernetes writes them: `1Gi`, `1.5G`, `1e9`, `500m`. Pure.
 *
 * Source: k8s.io/apimachinery/pkg/api/resource, quantity.go and suffix.go.
 */

/** Powers of two and of ten by their suffix; thousandths and less are rounded up to one. */
const SUFFIXES: Readonly<Record<string, readonly [base: bigint, exponent: number]>> = {
  Ki: [1024n, 1],
  Mi: [1024n, 2],
  Gi: [1024n, 3],
  Ti: [1024n, 4],
  Pi: [1024n, 5],
  Ei: [1024n, 6],
  n: [10n, -9],
  u: [10n, -6],
  m: [10n, -3],
  '': [10n, 0],
  k: [10n, 3],
  M: [10n, 6],
  G: [10n, 9],
  T: [10n, 12],
  P: [10n, 15],
  E: [10n, 18],
};

const FORM = /^([+-]?)(\d*)(?:\.(\d*))?(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]|))$/;

/** Far above what an int64 holds, and short enough to compute with. */
const MOST_EXPONENT = 40;

/** What int64 holds. */
const MOST = 2n ** 63n - 1n;

/** The amount in whole units, rounded up as Kubernetes does. `undefined`: it is none. */
export function parseQuantity(text: string): bigint | undefined {
  const [match, sign, whole = '', fraction = '', scientific, suffix = ''] = FORM.exec(text) ?? [];
  if (match === undefined || whole + fraction === '') return undefined;
  const [base, exponent] =
    scientific === undefined ? (SUFFIXES[suffix] ?? [10n, 0]) : ([10n, Number(scientific.slice(1))] as const);
  if (Math.abs(exponent) > MOST_EXPONENT || whole.length + fraction.length > MOST_EXPONENT) return undefined;
  const digits = BigInt(whole + fraction) * (exponent > 0 ? base ** BigInt(exponent) : 1n);
  const divisor = 10n ** BigInt(fraction.length) * (exponent < 0 ? base ** BigInt(-exponent) : 1n);
  const up = sign === '-' ? 0n : divisor - 1n;
  const value = (digits + up) / divisor;
  const capped = value > MOST ? MOST : value;
  return sign === '-' ? -capped : capped;
}

/** Whole units with the largest power of two that leaves nothing over: `1Gi`, `1500`. What apimachinery calls BinarySI. */
export function formatQuantity(units: bigint): string {
  let left = units;
  let at = 0;
  while (left !== 0n && left % 1024n === 0n && at < 6) {
    left /= 1024n;
    at += 1;
  }
  return `${left}${['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'][at]}`;
}
