import { isDeepStrictEqual } from 'node:util';
import { isCniError } from '../../../cni/protocol/error.ts';
import { parseJsonObject } from '../../../cni/protocol/json.ts';
import type { Result } from '../../../cni/protocol/result.ts';
import { decodeResult } from '../../../cni/protocol/result-decode.ts';
import { encodeResult } from '../../../cni/protocol/result-encode.ts';
import { supportedVersions } from '../../../cni/protocol/version.ts';
import { checkResult } from '../cni-spec.ts';
import { describeBytes, jsonBytes, jsonInput } from '../json-input.ts';
import { results } from '../seeds.ts';
import { must, type Target, target } from '../target.ts';

/** A mutated result: decoded, then encoded in every version. */
export const cniResult: Target = target<Uint8Array>({
  name: 'cni-result',
  generate: (random) => jsonInput(results, random),
  seeds: results.map(jsonBytes),
  changed: (bytes) => bytes.toHex(),
  judge: (bytes) => {
    const result = decode(bytes);
    if (result === undefined) return 'refused';
    for (const version of supportedVersions) {
      const addressed = result.ips.length > 0 || version >= '0.3.0';
      const text = encode(result, version);
      must(
        (text !== undefined) === addressed,
        'only a result without addresses cannot be expressed before 0.3.0',
      );
      if (text === undefined) continue;
      checkResult(text, version);
      const again = decode(new TextEncoder().encode(text));
      must(again !== undefined && encode(again, version) === text, 'what was encoded once stays as it is');
      if (version === '1.1.0') must(isDeepStrictEqual(again, result), 'the present version loses nothing');
    }
    return 'accepted';
  },
  describe: describeBytes,
});

function decode(bytes: Uint8Array): Result | undefined {
  try {
    return decodeResult(parseJsonObject(bytes, 'result'), { path: 'result' });
  } catch (error) {
    if (isCniError(error, 1, 6)) return undefined;
    throw error;
  }
}

function encode(result: Result, version: (typeof supportedVersions)[number]): string | undefined {
  try {
    return JSON.stringify(encodeResult(result, version));
  } catch (error) {
    if (isCniError(error, 1)) return undefined;
    throw error;
  }
}
