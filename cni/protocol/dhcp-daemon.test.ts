import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DhcpRequest } from './dhcp-daemon.ts';
import {
  decodeDhcpAnswer,
  decodeDhcpRequest,
  encodeDhcpAnswer,
  encodeDhcpError,
  encodeDhcpRequest,
  readAttachments,
} from './dhcp-daemon.ts';
import { CniError, isCniError, tryAgainLater } from './error.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const text = fc.string({ minLength: 1, maxLength: 20 });
const attachment = { network: text, containerId: text, ifname: text };
const code = fc.integer({ min: 1, max: 254 });
const target = {
  ...attachment,
  netns: text,
  provide: fc.array(fc.record({ code, hex: fc.constantFrom('', '00ff') }), { maxLength: 3 }),
  request: fc.array(code, { maxLength: 5 }),
  priority: fc.nat(),
};

const anyRequest: fc.Arbitrary<DhcpRequest> = fc.oneof(
  fc.record({ op: fc.constant('allocate' as const), ...target }),
  fc.record({ op: fc.constant('check' as const), address: fc.option(text, { nil: undefined }), ...target }),
  fc.record({ op: fc.constant('release' as const), ...attachment }),
  fc.record({ op: fc.constant('list' as const), network: text }),
  fc.record({ op: fc.constant('status' as const) }),
);

describe('requests', () => {
  test('come back as they were, on one line', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const line = encodeDhcpRequest(request);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(decodeDhcpRequest(bytes(line))).toEqual(request);
      }),
    );
  });

  test('of any other form are refused with code 6', () => {
    const refused = (line: Uint8Array): void => {
      try {
        decodeDhcpRequest(line);
      } catch (error) {
        expect(isCniError(error, 6), String(error)).toBe(true);
      }
    };
    fc.assert(fc.property(fc.uint8Array(), refused));
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('op', 'network', 'netns', 'provide', 'request'), fc.jsonValue()),
        (raw) => refused(bytes(JSON.stringify({ version: 1, ...raw }))),
      ),
    );
    expect(() => decodeDhcpRequest(bytes('{"version":2,"op":"status"}'))).toThrow(/different releases/);
    expect(() => decodeDhcpRequest(bytes('{"version":1,"op":"dance"}'))).toThrow();
  });
});

describe('answers', () => {
  test('carry what was found', () => {
    const answer = decodeDhcpAnswer(
      bytes(encodeDhcpAnswer({ attachments: [{ containerId: 'c', ifname: 'i' }] })),
    );
    expect(readAttachments(answer)).toEqual([{ containerId: 'c', ifname: 'i' }]);
  });

  test('or the error, as it was', () => {
    const error = tryAgainLater('no', { details: 'why' });
    try {
      decodeDhcpAnswer(bytes(encodeDhcpError(error)));
      throw new Error('it did not throw');
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(CniError);
      expect(thrown).toMatchObject({ code: 11, message: 'no', details: 'why' });
    }
  });

  test('of another protocol are refused', () => {
    expect(() => decodeDhcpAnswer(bytes('HTTP/1.1 400 Bad Request'))).toThrow();
    expect(() => decodeDhcpAnswer(bytes('{}'))).toThrow(/different releases/);
  });
});
