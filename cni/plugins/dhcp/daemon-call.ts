/** Asks the daemon, and waits for its answer. */

import { isErrno } from '../../../shared/sys/errno.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { connectUnix, receiveLine, sendAll } from '../../../shared/sys/unix-stream.ts';
import type { DhcpRequest } from '../../protocol/dhcp-daemon.ts';
import { decodeDhcpAnswer, encodeDhcpRequest, maxDhcpLine } from '../../protocol/dhcp-daemon.ts';
import type { CniError } from '../../protocol/error.ts';
import { CniCode, ioFailure, isCniError, tryAgainLater } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';

/** For what the daemon answers at once. */
export const promptMs = 10_000;

/** For ADD and CHECK, whose time the daemon bounds (--resendtimeout), and the runtime. */
export const patient = -1;

/**
 * One request, one answer.
 *
 * @param timeoutMs `promptMs` or `patient`
 * @throws CniError the daemon's; code 11 where there is no daemon, or none that answers
 */
export function askDaemon(path: string, request: DhcpRequest, timeoutMs: number): JsonObject {
  using socket = connect(path);
  let line: Uint8Array | undefined;
  try {
    sendAll(socket.fd, new TextEncoder().encode(encodeDhcpRequest(request)));
    line = receiveLine(socket.fd, maxDhcpLine, timeoutMs);
  } catch (cause) {
    throw notAnswering(path, cause);
  }
  if (line === undefined) throw notAnswering(path);
  try {
    return decodeDhcpAnswer(line);
  } catch (error) {
    if (!isCniError(error, CniCode.DecodingFailure)) throw error;
    throw ioFailure(
      `what listens on ${path} is not underpod's DHCP daemon of this release: ${error.message}`,
      {
        details: 'a daemon of upstream has a protocol of its own: run "underpod dhcp" and name its socket',
        cause: error,
      },
    );
  }
}

function connect(path: string): OwnedFd {
  try {
    return connectUnix(path);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR', 'ECONNREFUSED')) throw notRunning(path, cause);
    throw ioFailure(`cannot talk to the DHCP daemon on ${path}`, { cause });
  }
}

function notRunning(path: string, cause: unknown): CniError {
  return tryAgainLater(`no DHCP daemon listens on ${path}`, {
    details: 'start it ("underpod dhcp", as a service), or correct ipam.daemonSocketPath',
    cause,
  });
}

function notAnswering(path: string, cause?: unknown): CniError {
  return tryAgainLater(`the DHCP daemon on ${path} did not answer`, {
    details: cause instanceof Error ? cause.message : 'it ended meanwhile: see its log',
    cause,
  });
}
