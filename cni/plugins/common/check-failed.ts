import { CniError } from '../../protocol/error.ts';

/** First of the codes that the specification leaves to plugins. */
export const checkFailedCode = 100;

/** CHECK found something that is not as ADD left it. The message says what; the remedy is always the same. */
export function checkFailed(message: string): CniError {
  return new CniError(checkFailedCode, message, { details: 'delete the pod, so that it is made anew' });
}
