/** Waiting in tests of the proxy. */

/** Until it is so. @throws Error after 10 s, naming what was waited for */
export async function until(what: string, isSo: () => boolean, within = 10_000): Promise<void> {
  const end = performance.now() + within;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${within} ms`);
    await Bun.sleep(2);
  }
}
