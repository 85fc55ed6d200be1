import { incompatibleVersion } from './error.ts';

/** Every version of the specification that is served, oldest first. */
export const supportedVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof supportedVersions)[number];

/** The version that this implementation follows. */
export const currentVersion: CniVersion = '1.1.0';

/** What a configuration or result without `cniVersion` is taken for (as libcni does). */
export const implicitVersion: CniVersion = '0.1.0';

/** True when `text` names a version of `supportedVersions` exactly: "1.0" is not "1.0.0". */
export function isSupportedVersion(text: string): text is CniVersion {
  return (supportedVersions as readonly string[]).includes(text);
}

/** The version named by `text`; '' stands for 0.1.0. Throws code 1, with the versions to choose from. */
export function requireVersion(text: string, what: string): CniVersion {
  if (text === '') return implicitVersion;
  if (isSupportedVersion(text)) return text;
  throw incompatibleVersion(`CNI version ${JSON.stringify(text.slice(0, 64))} of ${what} is not supported`, {
    details: `set cniVersion to one of ${supportedVersions.join(', ')}`,
  });
}

/** True when `version` is `other` or newer. */
export function isAtLeast(version: CniVersion, other: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(other);
}
