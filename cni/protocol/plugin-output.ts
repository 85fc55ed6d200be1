/** What a plugin printed, as a caller understands it: a runtime, or a plugin that delegates to another. Pure. */

import type { Answer } from './dispatch.ts';
import { CniCode, CniError, decodingFailure, isCniError } from './error.ts';
import { parseJsonObject, readString, readStrings } from './json.ts';
import type { Result } from './result.ts';
import { decodeResult } from './result-decode.ts';
import type { CniVersion } from './version.ts';

/**
 * The result that a plugin printed for ADD. It may leave cniVersion out, or print null for nothing at all. Throws code
 * 6, or 1 for an unknown version.
 */
export function decodePluginResult(type: string, stdout: string, version: CniVersion): Result {
  const what = `the result of plugin ${type}`;
  const text = stdout.trim() === 'null' ? '{}' : stdout;
  return decodeResult(parseJsonObject(new TextEncoder().encode(text), what), {
    path: what,
    implicitVersion: version,
  });
}

/** The versions that a plugin printed for VERSION. Throws code 6. */
export function decodeVersions(type: string, stdout: string): readonly string[] {
  const what = `the versions of plugin ${type}`;
  const raw = parseJsonObject(new TextEncoder().encode(stdout), what);
  const cniVersion = readString(raw['cniVersion'], `${what}: cniVersion`) ?? '';
  const supported = readStrings(raw['supportedVersions'], `${what}: supportedVersions`) ?? [];
  if (supported.length > 0) return supported;
  if (cniVersion === '0.2.0') return ['0.1.0', '0.2.0'];
  throw decodingFailure(`${what} name no supportedVersions`);
}

/** Bytes of a plugin's stderr, from its end, that go into an error message. */
const maxStderr = 4096;

/** The error that a plugin reported, or the best that can be made of how it failed. */
export function decodePluginError(type: string, command: string, answer: Answer): CniError {
  const what = `plugin ${type} failed (${command})`;
  const stderr = answer.stderr.trim().slice(-maxStderr);
  const stdout = answer.stdout.trim();
  if (stdout === '') {
    const reason = stderr || `exit status ${answer.exitCode} and no message`;
    return new CniError(CniCode.Internal, `${what}: ${reason}`);
  }
  const error = parseError(stdout);
  if (error === undefined) {
    const shown = JSON.stringify(stdout.length > 500 ? `${stdout.slice(0, 500)}…` : stdout);
    return new CniError(CniCode.Internal, `${what} and printed no CNI error: ${shown}`, {
      details: stderr ? `stderr: ${stderr}` : undefined,
    });
  }
  const details = [error.details, stderr && `stderr: ${stderr}`].filter(Boolean).join('; ');
  return new CniError(error.code, `${what}: ${error.message}`, { details: details || undefined });
}

function parseError(stdout: string): CniError | undefined {
  try {
    const { code, msg, details } = parseJsonObject(new TextEncoder().encode(stdout), 'error');
    if (typeof msg !== 'string' && typeof code !== 'number') return undefined;
    return new CniError(
      Number.isSafeInteger(code) && typeof code === 'number' && code > 0 ? code : CniCode.Internal,
      typeof msg === 'string' && msg !== '' ? msg : `code ${code}`,
      { details: typeof details === 'string' && details !== '' ? details : undefined },
    );
  } catch (error) {
    if (isCniError(error)) return undefined;
    throw error;
  }
}
