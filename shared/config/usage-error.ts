/** What the user asked for cannot be done as asked: the message says what to do instead. Programs exit with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
