import { describe, expect, test } from 'vitest';
import { encodeMessage, NLM_F, NLMSG, type NlMessage } from './codec/message.ts';
import { isNetlinkError, NetlinkError } from './error.ts';
import type { NetlinkRequest } from './request.ts';
import { NetlinkSocket } from './socket.ts';
import { hex } from './testing/golden.ts';
import { acknowledge, dumped, ScriptedTransport } from './testing/scripted-transport.ts';

function request(text: string, extra: Partial<NetlinkRequest> = {}): NetlinkRequest {
  return { type: 50, flags: 0, payload: new TextEncoder().encode(text), what: `do ${text}`, ...extra };
}

function requests(count: number): NetlinkRequest[] {
  return Array.from({ length: count }, (_, i) => request(`${i}`));
}

const textOf = (message: NlMessage): string => new TextDecoder().decode(message.payload);

/** A kernel that acknowledges what asks for it and refuses what `refuse` gives an errno for. */
function kernel(refuse: (text: string) => number = () => 0): ScriptedTransport {
  return new ScriptedTransport((messages) =>
    messages.flatMap((message) => {
      const errno = refuse(textOf(message));
      return errno !== 0 || (message.flags & NLM_F.ACK) !== 0 ? [acknowledge(message, errno)] : [];
    }),
  );
}

describe('transact', () => {
  test('sends a few requests at once and asks for an acknowledgement of each', () => {
    const transport = kernel();
    const outcomes = new NetlinkSocket(transport).transact(requests(3));
    expect(outcomes).toEqual(Array(3).fill({ error: undefined, replies: [] }));
    expect(transport.sends).toHaveLength(1);
    expect(transport.sends[0]?.map((message) => message.flags)).toEqual(
      Array(3).fill(NLM_F.REQUEST | NLM_F.ACK),
    );
    expect(transport.sends[0]?.map((message) => message.seq)).toEqual([1, 2, 3]);
  });

  test('of many asks for the acknowledgement of the last only, and still tells each failure', () => {
    const transport = kernel((text) => (Number(text) % 10 === 3 ? 17 : 0));
    const outcomes = new NetlinkSocket(transport).transact(requests(200));
    expect(transport.sends[0]?.filter((message) => (message.flags & NLM_F.ACK) !== 0)).toHaveLength(1);
    outcomes.forEach((outcome, i) => {
      if (i % 10 !== 3) expect(outcome.error).toBeUndefined();
      else expect(outcome.error).toMatchObject({ code: 'EEXIST', errno: 17, request: `do ${i}` });
    });
  });

  test('splits what the send buffer or the answers to it in the receive buffer do not hold', () => {
    const bySize = kernel();
    bySize.limits = { send: 20_000, receive: 8 << 20 };
    const long = Array.from({ length: 100 }, (_, i) => request(`${i}`.padEnd(1500, ' ')));
    expect(new NetlinkSocket(bySize).transact(long)).toHaveLength(100);
    expect(bySize.sends.length).toBeGreaterThan(7);
    for (const send of bySize.sends) {
      const size = send.reduce((sum, message) => sum + encodeMessage(message).length, 0);
      expect(size).toBeLessThanOrEqual(20_000 - 32);
    }
    expect(bySize.sends.flat().map((message) => textOf(message).trim())).toEqual(long.map((_, i) => `${i}`));

    const byAnswers = kernel();
    byAnswers.limits = { send: 1 << 20, receive: 212_992 };
    expect(new NetlinkSocket(byAnswers).transact(requests(1000))).toHaveLength(1000);
    // 768 bytes at least are charged for each answer.
    for (const send of byAnswers.sends) expect(send.length * 768).toBeLessThan(212_992);
    // Objects take more.
    const byReplies = kernel();
    byReplies.limits = byAnswers.limits;
    new NetlinkSocket(byReplies).transact(requests(1000).map((one) => ({ ...one, replies: true })));
    expect(byReplies.sends.length).toBeGreaterThan(byAnswers.sends.length);
  });

  test('a request that no buffer holds fails by the send', () => {
    const transport = kernel();
    transport.limits = { send: 20_000, receive: 1 << 20 };
    const huge = [request('a'), request('b'.repeat(120_000))];
    expect(() => new NetlinkSocket(transport).transact(huge)).toThrow(/EMSGSIZE/);
  });

  test('an empty list sends nothing', () => {
    const transport = kernel();
    expect(new NetlinkSocket(transport).transact([])).toEqual([]);
    expect(transport.sends).toEqual([]);
  });

  test('requests without an answer are unknown when answers were lost, and only then', () => {
    const transport = new ScriptedTransport((messages) => [
      acknowledge(messages[0]!, 17),
      'overrun',
      acknowledge(messages[99]!),
    ]);
    const outcomes = new NetlinkSocket(transport).transact(requests(100));
    expect(outcomes[0]?.error?.code).toBe('EEXIST');
    for (const outcome of outcomes.slice(1, 99)) expect(outcome.error?.code).toBe('ENOBUFS');
    expect(outcomes[99]?.error).toBeUndefined();
  });

  test('the loss of the last acknowledgement is no success either', () => {
    const transport = new ScriptedTransport(() => ['overrun']);
    const outcomes = new NetlinkSocket(transport).transact(requests(2));
    expect(outcomes.map((outcome) => outcome.error?.code)).toEqual(['ENOBUFS', 'ENOBUFS']);
    const silent = new ScriptedTransport(() => []);
    expect(new NetlinkSocket(silent).transact(requests(1))[0]?.error?.code).toBe('ENOBUFS');
  });

  test('answers to earlier requests are not taken for those of later ones', () => {
    let late: NlMessage | undefined;
    const transport = new ScriptedTransport((messages) => {
      const stale = late === undefined ? [] : [acknowledge(late, 22)];
      late = messages[0];
      return [...stale, ...messages.map((message) => acknowledge(message))];
    });
    const socket = new NetlinkSocket(transport);
    expect(socket.transact(requests(1))[0]?.error).toBeUndefined();
    expect(socket.transact(requests(2)).map((outcome) => outcome.error)).toEqual([undefined, undefined]);
  });

  test('replies come with their request, warnings, too', () => {
    const warning = hex('0a000100 636172656675 0000');
    const transport = new ScriptedTransport((messages) =>
      messages.flatMap((message) => [
        encodeMessage({ ...message, type: 51, payload: new TextEncoder().encode(`re ${textOf(message)}`) }),
        acknowledge(message, 0, message.seq === 2 ? warning : undefined),
      ]),
    );
    const outcomes = new NetlinkSocket(transport).transact(requests(2));
    expect(outcomes.map((outcome) => outcome.replies.map(textOf))).toEqual([['re 0'], ['re 1']]);
    expect(outcomes.map((outcome) => outcome.warning)).toEqual([undefined, 'carefu']);
  });
});

describe('request and requestAll', () => {
  test('throw what the kernel says', () => {
    const attributes = hex('0b000100 6e6f207761790000 08000200 20000000 08000500 12000000 08000600 10000000');
    const transport = new ScriptedTransport(([message]) => [acknowledge(message!, 22, attributes)]);
    const socket = new NetlinkSocket(transport);
    let thrown: unknown;
    try {
      socket.request(request('x', { what: () => 'add link x' }));
    } catch (error) {
      thrown = error;
    }
    expect(isNetlinkError(thrown)).toBe(true);
    expect(isNetlinkError(thrown, 'EINVAL', 'EPERM')).toBe(true);
    expect(isNetlinkError(thrown, 'EPERM')).toBe(false);
    expect(thrown).toBeInstanceOf(NetlinkError);
    expect(thrown).toMatchObject({
      code: 'EINVAL',
      errno: 22,
      request: 'add link x',
      kernelMessage: 'no way',
      offset: 32,
      missingType: 18,
      missingNest: 16,
    });
    expect((thrown as Error).message).toBe(
      'add link x: invalid argument (EINVAL); kernel: no way; attribute 18 is missing; at byte 32 of the request',
    );
  });

  test('requestAll throws the first failure after all were sent', () => {
    const transport = kernel((text) => (text === '0' ? 0 : Number(text)));
    expect(() => new NetlinkSocket(transport).requestAll(requests(3))).toThrow(
      /do 1: operation not permitted/,
    );
    expect(transport.sends[0]).toHaveLength(3);
  });
});

describe('dump', () => {
  test('collects all datagrams up to the end', () => {
    const transport = new ScriptedTransport(([message]) => [
      dumped(message!, ['a', 'b']),
      dumped(message!, ['c'], 0),
    ]);
    expect(new NetlinkSocket(transport).dump(request('')).map(textOf)).toEqual(['a', 'b', 'c']);
    expect(transport.sends[0]?.[0]?.flags).toBe(NLM_F.REQUEST | NLM_F.DUMP);
  });

  test('reads again what changed meanwhile, and forgets what it had', () => {
    let attempt = 0;
    const transport = new ScriptedTransport(([message]) => {
      attempt++;
      if (attempt === 1)
        return [dumped(message!, ['old'], undefined, NLM_F.DUMP_INTR), dumped(message!, ['x'], 0)];
      // The flag may come with the end only.
      if (attempt === 2) return [dumped(message!, ['old']), dumped(message!, [], 0, NLM_F.DUMP_INTR)];
      return [dumped(message!, ['new'], 0)];
    });
    expect(new NetlinkSocket(transport).dump(request('')).map(textOf)).toEqual(['new']);
    expect(transport.sends).toHaveLength(3);
  });

  test('gives up on a table that never rests', () => {
    const transport = new ScriptedTransport(([message]) => [dumped(message!, ['a'], 0, NLM_F.DUMP_INTR)]);
    expect(() => new NetlinkSocket(transport).dump(request(''))).toThrow(/EINTR/);
    expect(transport.sends.length).toBeLessThan(1000);
  });

  test('an error in the middle or instead of a dump', () => {
    const middle = new ScriptedTransport(([message]) => [dumped(message!, ['a'], 12)]);
    expect(() => new NetlinkSocket(middle).dump(request(''))).toThrow(/ENOMEM/);
    const instead = new ScriptedTransport(([message]) => [acknowledge(message!, 95)]);
    expect(() => new NetlinkSocket(instead).dump(request(''))).toThrow(/EOPNOTSUPP/);
  });

  test('an object longer than the buffer makes it grow and the dump start anew', () => {
    const long = 'x'.repeat(100_000);
    const transport = new ScriptedTransport(([message]) => [
      dumped(message!, ['a', long]),
      dumped(message!, [], 0),
    ]);
    expect(new NetlinkSocket(transport).dump(request('')).map(textOf)).toEqual(['a', long]);
    expect(transport.sends).toHaveLength(2);
  });
});

describe('batch and exchange', () => {
  test('leave the flags alone and take what there is to take', () => {
    const transport = kernel((text) => (text === 'bad' ? 2 : 0));
    const socket = new NetlinkSocket(transport);
    const answers = socket.batch([
      request('begin'),
      request('good', { flags: NLM_F.ACK | NLM_F.CREATE }),
      request('bad'),
      request('end'),
    ]);
    expect(transport.sends).toHaveLength(1);
    expect(transport.sends[0]?.map((message) => message.flags & ~NLM_F.REQUEST)).toEqual([
      0,
      NLM_F.ACK | NLM_F.CREATE,
      0,
      0,
    ]);
    expect(answers.map((answer) => answer.acknowledgement?.errno)).toEqual([undefined, 0, 2, undefined]);
  });

  test('messages that the caller wrote are matched by their numbers', () => {
    const transport = kernel();
    const socket = new NetlinkSocket(transport);
    expect(socket.portId).toBe(4711);
    const first = socket.takeSequence(2);
    const flags = NLM_F.REQUEST | NLM_F.ACK;
    const one = { type: 60, flags, seq: first, pid: 0, payload: hex('01020304') };
    const bytes = new Uint8Array([...encodeMessage(one), ...encodeMessage({ ...one, seq: first + 1 })]);
    expect(socket.exchange(bytes, first, 2).map((answer) => answer.acknowledgement?.errno)).toEqual([0, 0]);
    expect(socket.takeSequence(1)).toBe(first + 2);
  });

  test('lost answers are an error, for silence would look like success', () => {
    const transport = new ScriptedTransport(() => ['overrun']);
    expect(() => new NetlinkSocket(transport).batch(requests(2))).toThrow(/ENOBUFS/);
  });

  test('an end of a dump counts as its acknowledgement', () => {
    const transport = new ScriptedTransport(([message]) => [dumped(message!, ['a'], 0)]);
    const [answer] = new NetlinkSocket(transport).batch([request('', { flags: NLM_F.DUMP })]);
    expect(answer).toMatchObject({ acknowledgement: { errno: 0 }, interrupted: false });
    expect(answer?.replies.map((reply) => reply.type)).toEqual([99]);
    expect(NLMSG.DONE).toBe(3);
  });
});

test('sequence numbers start over before they would not fit', () => {
  const transport = kernel();
  const socket = new NetlinkSocket(transport);
  socket.takeSequence(0xffff_fff0);
  expect(socket.transact(requests(20)).every((outcome) => outcome.error === undefined)).toBe(true);
  expect(transport.sends[0]?.[0]?.seq).toBe(1);
});

test('closing the socket closes the transport', () => {
  const transport = kernel();
  {
    using _socket = new NetlinkSocket(transport);
  }
  expect(transport.closed).toBe(true);
});
