/**
 * Bytes that notice when somebody reads beside them. `bytes[bytes.length]` is `undefined`, which arithmetic takes for
 * 0: a decoder that forgets to look at the length goes on with a value that nobody sent, and no other check sees it.
 */

const plain = new WeakMap<object, Uint8Array>();

/** The same bytes, and so with all parts taken of them, but reading an index outside of them throws RangeError. */
function guarded(bytes: Uint8Array): Uint8Array {
  const proxy = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^-?\d+$/.test(key) && !(Number(key) in target)) {
        throw new RangeError(`read at ${key} of ${target.length} bytes`);
      }
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key === 'slice' || key === 'subarray') {
        return (...args: number[]) => guarded(Reflect.apply(value, target, args) as Uint8Array);
      }
      return value.bind(target);
    },
  });
  plain.set(proxy, bytes);
  return proxy;
}

/** TextDecoder is the platform's, and takes no proxy. */
class UnwrappingTextDecoder extends TextDecoder {
  override decode(input?: Uint8Array, options?: { stream?: boolean }): string {
    return super.decode((input && plain.get(input)) ?? input, options);
  }
}

/**
 * Runs a synchronous decoder on bytes that notice.
 *
 * @throws RangeError when it read beside them, else what it throws
 */
export function decodeGuarded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  const native = globalThis.TextDecoder;
  globalThis.TextDecoder = UnwrappingTextDecoder as typeof TextDecoder;
  try {
    return decode(guarded(bytes));
  } finally {
    globalThis.TextDecoder = native;
  }
}
