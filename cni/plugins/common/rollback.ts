/** Steps that undo what a failed ADD has done so far, run backwards. */
export class Rollback {
  readonly #steps: (() => unknown)[] = [];

  /** Adds what undoes the step just done. */
  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  /**
   * Undoes everything because of `error`, which it throws again. A step that fails does not keep the others from
   * their work; then an AggregateError tells of all, `error` first.
   */
  async fail(error: unknown): Promise<never> {
    const errors: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (failure) {
        errors.push(failure);
      }
    }
    if (errors.length === 0) throw error;
    throw new AggregateError([error, ...errors], 'ADD failed, and so did undoing it: DEL will try again');
  }
}
