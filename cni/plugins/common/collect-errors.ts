/** Errors of steps that go on after a failure. */
export interface ErrorCollector {
  /** Runs `step`; what it throws is kept for later. Undefined then. */
  try<T>(step: () => T): T | undefined;
  /** As `try`, for a step that may take time. */
  tryAsync<T>(step: () => T | Promise<T>): Promise<T | undefined>;
  /** Throws the one error there was, or all as an AggregateError. */
  throwIfAny(): void;
}

/** For GC and rollbacks: one step's failure must not keep the others from their work. `what` heads the message. */
export function collectErrors(what: string): ErrorCollector {
  const errors: unknown[] = [];
  return {
    try(step) {
      try {
        return step();
      } catch (error) {
        errors.push(error);
        return undefined;
      }
    },
    async tryAsync(step) {
      try {
        return await step();
      } catch (error) {
        errors.push(error);
        return undefined;
      }
    },
    throwIfAny() {
      if (errors.length === 1) throw errors[0];
      if (errors.length > 1) throw new AggregateError(errors, `${what}: ${errors.length} failures`);
    },
  };
}
