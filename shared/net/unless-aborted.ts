/**
 * What a promise comes to, or, as soon as the signal is aborted, its reason as an error. What was begun goes on: others may
 * wait for it as well.
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    // Nobody may be left to hear how it ended.
    promise.catch(() => {});
  }
}
