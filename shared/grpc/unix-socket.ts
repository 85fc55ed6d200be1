/** Whether a unix socket has somebody behind it. */

import { connect } from 'node:net';

/** False where there is no socket, or one that a killed process left. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
