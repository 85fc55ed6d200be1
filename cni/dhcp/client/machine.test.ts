import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import type { DhcpMessage } from '../codec/message.ts';
import { MESSAGE_TYPE, OPTION } from '../codec/option-codes.ts';
import { byteOption, ipOption, messageType, optionOf, readIp } from '../codec/options.ts';
import { anyMessage } from '../testing/arbitrary.ts';
import { FakeServer } from '../testing/fake-server.ts';
import type { Lease } from './lease.ts';
import type { Setup } from './machine.ts';
import { onMessage, onTimer, reboot, resume, start } from './machine.ts';
import { release } from './requests.ts';
import type { Effect, State, Step } from './state.ts';

const mac = Uint8Array.of(2, 0, 0, 0, 0, 2);
const via = Uint8Array.of(2, 0, 0, 0, 0, 1);

const setup: Setup = {
  client: { mac, clientId: Uint8Array.of(0, 65), provided: [], wanted: [3, 1], broadcast: false },
  answerTimeout: 10_000,
  resendMax: 62_000,
  // In the middle of every spread; T1 then comes 2.5 % early.
  random: () => 0.5,
};

/** A client with its server: time moves from one due moment to the next. */
class Run {
  now = 0;
  state: State;
  readonly server = new FakeServer();
  readonly effects: Effect[] = [];
  readonly sentAt: number[] = [];

  constructor(begin: (now: number) => Step, server?: FakeServer) {
    if (server) this.server = server;
    const step = begin(0);
    this.state = step.state;
    this.#take(step);
  }

  get kinds(): string[] {
    return this.effects
      .filter(({ kind }) => kind !== 'send')
      .map((effect) =>
        effect.kind === 'bound' ? effect.how : effect.kind === 'lost' ? effect.why : effect.kind,
      );
  }

  get lease(): Lease {
    if (this.state.phase !== 'bound') throw new Error(`the client is ${this.state.phase}`);
    return this.state.lease;
  }

  /** To the next due moment. */
  next(): void {
    this.now = this.state.dueAt;
    this.onTime();
  }

  /** The timer comes now, which may be long after it was due. */
  onTime(): void {
    this.#take(onTimer(setup, this.state, this.now));
  }

  until(end: number): void {
    while (this.state.dueAt <= end) this.next();
    this.now = end;
  }

  #take(step: Step): void {
    this.state = step.state;
    for (const effect of step.effects) {
      this.effects.push(effect);
      if (effect.kind !== 'send') continue;
      this.sentAt.push(this.now);
      const answer = this.server.answer(effect.message);
      if (answer) this.#take(onMessage(setup, this.state, answer, via, this.now));
    }
  }
}

const bound = (server?: FakeServer): Run => new Run((now) => start(setup, now), server);

describe('a new client', () => {
  test('discovers, takes the offer and is bound', () => {
    const run = bound();
    expect(run.server.seen).toEqual(['discover', 'request']);
    expect(run.kinds).toEqual(['gained']);
    expect(formatIp(run.lease.address)).toBe('10.9.0.10');
    expect(run.lease).toMatchObject({ renewAt: 487_500, rebindAt: 875_000, expiresAt: 1_000_000, via });
  });

  test('says what tables 4 and 5 of the RFC want', () => {
    const run = bound();
    const [discover, request] = run.server.messages as [DhcpMessage, DhcpMessage];
    expect([...optionOf(discover, OPTION.REQUEST_LIST)!]).toEqual([3, 1]);
    expect(optionOf(discover, OPTION.SERVER_ID)).toBeUndefined();
    expect(formatIp(readIp(request, OPTION.REQUESTED_ADDRESS)!)).toBe('10.9.0.10');
    expect(formatIp(readIp(request, OPTION.SERVER_ID)!)).toBe('10.9.0.1');
    expect(request.xid).toBe(discover.xid);
    expect(request.ciaddr.value).toBe(0n);
    expect(run.effects.filter(({ kind }) => kind === 'send')).toMatchObject([
      { to: 'everybody' },
      { to: 'everybody' },
    ]);
  });

  test('asks again after 4, 8, 16, 32 and 62 s', () => {
    const server = new FakeServer();
    server.silent = true;
    const run = bound(server);
    run.until(200_000);
    expect(run.sentAt).toEqual([0, 4000, 12_000, 28_000, 60_000, 122_000, 184_000]);
    expect(run.server.messages.map(({ secs }) => secs)).toEqual([0, 4, 12, 28, 60, 122, 184]);
    expect(new Set(run.server.messages.map(({ xid }) => xid)).size).toBe(1);
  });

  test.each([1, 2, 3])('goes on when message number %i is lost', (lost) => {
    const server = new FakeServer();
    server.loses = lost;
    const run = bound(server);
    run.until(60_000);
    expect(run.kinds).toEqual(['gained']);
  });

  test('begins anew when a server that made an offer falls silent', () => {
    const { state, effects } = start(setup, 0);
    const offer = new FakeServer().answer((effects[0] as { message: DhcpMessage }).message)!;
    let step = onMessage(setup, state, offer, via, 0);
    expect(step.state.phase).toBe('requesting');
    step = onTimer(setup, step.state, 4000);
    expect(step.state.phase).toBe('requesting');
    step = onTimer(setup, step.state, step.state.dueAt);
    expect(step.state).toMatchObject({ phase: 'selecting', dueAt: 14_000 });
    expect(step.effects).toMatchObject([{ kind: 'note' }]);
  });

  test('does not hurry after a NAK', () => {
    const server = new FakeServer();
    const { state, effects } = start(setup, 0);
    const { message } = effects[0] as { message: DhcpMessage };
    const requesting = onMessage(setup, state, server.answer(message)!, via, 0);
    const nak = { ...message, op: 2, options: [byteOption(OPTION.MESSAGE_TYPE, MESSAGE_TYPE.NAK)] };
    const after = onMessage(setup, requesting.state, nak, via, 100);
    expect(after.state).toMatchObject({ phase: 'selecting', dueAt: 4100 });
    expect((after.state as { xid: number }).xid).toBeTypeOf('number');
  });
});

describe('an answer of a server that was not asked', () => {
  const other = ipOption(OPTION.SERVER_ID, parseIp('10.9.0.2')!);
  const from = (message: DhcpMessage, type: number, change: Partial<DhcpMessage> = {}): DhcpMessage => ({
    ...message,
    op: 2,
    options: [byteOption(OPTION.MESSAGE_TYPE, type), other],
    ...change,
  });

  test('changes nothing for a client that has chosen another', () => {
    const { state, effects } = start(setup, 0);
    const offer = new FakeServer().answer((effects[0] as { message: DhcpMessage }).message)!;
    const step = onMessage(setup, state, offer, via, 0);
    for (const type of [MESSAGE_TYPE.ACK, MESSAGE_TYPE.NAK])
      expect(onMessage(setup, step.state, from(offer, type), via, 1).state).toBe(step.state);
  });

  test('changes nothing before T2, and renews after it', () => {
    const run = bound();
    run.server.silent = true;
    run.until(500_000);
    const request = run.server.messages.at(-1)!;
    const answer = { yiaddr: parseIp('10.9.0.10')! };
    for (const type of [MESSAGE_TYPE.ACK, MESSAGE_TYPE.NAK])
      expect(onMessage(setup, run.state, from(request, type, answer), via, run.now).state).toBe(run.state);
    run.until(900_000);
    const late = from(run.server.messages.at(-1)!, MESSAGE_TYPE.ACK, answer);
    const step = onMessage(setup, run.state, late, via, run.now);
    expect(step.effects).toMatchObject([{ how: 'rebound', lease: { server: parseIp('10.9.0.2') } }]);
  });

  test('for another address than was asked for changes nothing in any state', () => {
    const elsewhere = { yiaddr: parseIp('10.9.0.99')! };
    const ack = (message: DhcpMessage): DhcpMessage =>
      from(message, MESSAGE_TYPE.ACK, {
        ...elsewhere,
        options: [
          byteOption(OPTION.MESSAGE_TYPE, MESSAGE_TYPE.ACK),
          ipOption(OPTION.SERVER_ID, parseIp('10.9.0.1')!),
        ],
      });
    const ignored = (state: State, message: DhcpMessage): void =>
      expect(onMessage(setup, state, ack(message), via, 1).state).toBe(state);
    const { state, effects } = start(setup, 0);
    const offer = new FakeServer().answer((effects[0] as { message: DhcpMessage }).message)!;
    ignored(onMessage(setup, state, offer, via, 0).state, offer);
    const again = reboot(setup, 0, parseIp('10.9.0.10')!);
    ignored(again.state, (again.effects[0] as { message: DhcpMessage }).message);
    const run = bound();
    run.server.silent = true;
    run.until(500_000);
    ignored(run.state, run.server.messages.at(-1)!);
  });
});

describe('a lease', () => {
  test('is renewed at T1 by its server, and counts from then on', () => {
    const run = bound();
    run.next();
    expect(run.kinds).toEqual(['gained', 'renewed']);
    expect(run.effects.findLast(({ kind }) => kind === 'send')).toMatchObject({
      to: { address: parseIp('10.9.0.10') },
    });
    const request = run.server.messages.at(-1)!;
    expect(formatIp(request.ciaddr)).toBe('10.9.0.10');
    expect(optionOf(request, OPTION.REQUESTED_ADDRESS)).toBeUndefined();
    expect(optionOf(request, OPTION.SERVER_ID)).toBeUndefined();
    expect(run.lease.expiresAt).toBe(487_500 + 1_000_000);
  });

  test('is asked for in ever shorter times, then of everybody from T2 on, and is lost at its end', () => {
    const run = bound();
    run.server.silent = true;
    run.until(1_000_000);
    // Half of what is left until T2, a minute at least; the same until the end.
    expect(run.sentAt.slice(2)).toEqual([
      487_500, 681_250, 778_125, 838_125, 875_000, 937_500, 997_500, 1_000_000,
    ]);
    const ways = run.effects.flatMap((effect) => (effect.kind === 'send' ? [effect.to === 'everybody'] : []));
    expect(ways.slice(2)).toEqual([false, false, false, false, true, true, true, true]);
    expect(run.kinds).toEqual(['gained', 'expired']);
    expect(run.state.phase).toBe('selecting');
  });

  test('is rebound when a server answers after T2', () => {
    const run = bound();
    run.server.silent = true;
    run.until(900_000);
    run.server.silent = false;
    run.until(950_000);
    expect(run.kinds).toEqual(['gained', 'rebound']);
    expect(run.lease.expiresAt).toBe(937_500 + 1_000_000);
  });

  test('that a server refuses to renew is lost at once', () => {
    const run = bound();
    run.server.forget();
    run.next();
    expect(run.kinds).toEqual(['gained', 'note', 'refused', 'regained']);
  });

  test('that is lost is taken back with its address only', () => {
    const run = bound();
    run.server.silent = true;
    run.until(1_000_000);
    const { message } = run.effects.findLast(({ kind }) => kind === 'send') as { message: DhcpMessage };
    expect(formatIp(readIp(message, OPTION.REQUESTED_ADDRESS)!)).toBe('10.9.0.10');
    const offer: DhcpMessage = {
      ...message,
      op: 2,
      yiaddr: parseIp('10.9.0.99')!,
      options: [
        byteOption(OPTION.MESSAGE_TYPE, MESSAGE_TYPE.OFFER),
        ipOption(OPTION.SERVER_ID, parseIp('10.9.0.1')!),
      ],
    };
    const step = onMessage(setup, run.state, offer, via, run.now);
    expect(step.state).toBe(run.state);
    expect(step.effects).toMatchObject([{ kind: 'note' }]);
    run.server.silent = false;
    run.next();
    expect(run.kinds).toEqual(['gained', 'expired', 'regained']);
  });

  test('without an end needs no timer', () => {
    const server = new FakeServer();
    server.leaseTime = 0xffffffff;
    expect(bound(server).state.dueAt).toBe(Number.POSITIVE_INFINITY);
  });

  test('takes T1 and T2 from the server, where they make sense', () => {
    const times = (t1: number, t2: number): Lease => {
      const server = new FakeServer();
      server.extra = [byteOption(58, 0, 0, 0, t1), byteOption(59, 0, 0, 0, t2)];
      return bound(server).lease;
    };
    expect(times(100, 200)).toMatchObject({ renewAt: 97_500, rebindAt: 200_000 });
    expect(times(200, 100)).toMatchObject({ renewAt: 97_500, rebindAt: 100_000 });
    // At once would be for ever again, as fast as the server answers.
    expect(times(0, 0)).toMatchObject({ renewAt: 487_500, rebindAt: 875_000 });
    expect(times(0, 200)).toMatchObject({ renewAt: 195_000, rebindAt: 200_000 });
  });

  test('that ends as it begins is none', () => {
    const server = new FakeServer();
    server.leaseTime = 0;
    const run = bound(server);
    expect([run.kinds, run.state.phase]).toEqual([[], 'requesting']);
  });

  test('whose end was slept through is asked for once more before it is lost', () => {
    const run = bound();
    run.now = 5_000_000;
    run.onTime();
    expect(run.kinds).toEqual(['gained', 'kept']);
    run.server.silent = true;
    run.now += 5_000_000;
    run.onTime();
    expect(run.state.phase).toBe('rebooting');
    run.next();
    run.next();
    expect(run.kinds).toEqual(['gained', 'kept', 'expired']);
  });

  test('given back names its server and client', () => {
    const message = release(setup.client, 7, bound().lease);
    expect(messageType(message)).toBe(MESSAGE_TYPE.RELEASE);
    expect(formatIp(message.ciaddr)).toBe('10.9.0.10');
    expect(formatIp(readIp(message, OPTION.SERVER_ID)!)).toBe('10.9.0.1');
    expect([...optionOf(message, OPTION.CLIENT_ID)!]).toEqual([0, 65]);
  });
});

describe('a daemon that begins again', () => {
  test('goes on where the lease stands', () => {
    const { lease, server } = bound();
    const at = (now: number): State => resume(setup, lease, now).state;
    expect(at(100_000)).toMatchObject({ phase: 'bound', dueAt: 487_500 });
    expect(at(500_000).phase).toBe('renewing');
    expect(at(900_000).phase).toBe('rebinding');
    expect(at(1_000_000)).toMatchObject({ phase: 'rebooting', giveUpAt: 1_010_000 });
    expect(server.clients).toHaveLength(1);
  });

  test('keeps an address whose lease is over, if a server agrees', () => {
    const before = bound();
    const run = new Run(() => resume(setup, before.lease, 2_000_000), before.server);
    expect(run.kinds).toEqual(['kept']);
    const request = run.server.messages.at(-1)!;
    expect(request.ciaddr.value).toBe(0n);
    expect(formatIp(readIp(request, OPTION.REQUESTED_ADDRESS)!)).toBe('10.9.0.10');
    expect(optionOf(request, OPTION.SERVER_ID)).toBeUndefined();
  });

  test('loses it where none does, or none answers in time', () => {
    const before = bound();
    before.server.silent = true;
    const run = new Run(() => resume(setup, before.lease, 2_000_000), before.server);
    run.next();
    expect(run.kinds).toEqual([]);
    run.next();
    expect([run.now, run.kinds]).toEqual([2_010_000, ['expired']]);
    const refused = new Run((now) => reboot(setup, now, parseIp('10.9.0.77')!));
    expect(refused.kinds.slice(0, 2)).toEqual(['note', 'refused']);
  });
});

describe('messages of others', () => {
  test('change nothing', () => {
    const { state } = start(setup, 0);
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(onMessage(setup, state, message, via, 1)).toEqual({ state, effects: [] });
      }),
    );
  });

  test('another client, another transaction, a request, another server', () => {
    const server = new FakeServer();
    const { state, effects } = start(setup, 0);
    const offer = server.answer((effects[0] as { message: DhcpMessage }).message)!;
    const ignored = (message: DhcpMessage): boolean =>
      onMessage(setup, state, message, via, 1).state === state;
    expect(ignored({ ...offer, chaddr: Uint8Array.of(2, 0, 0, 0, 0, 3) })).toBe(true);
    expect(ignored({ ...offer, xid: offer.xid ^ 1 })).toBe(true);
    expect(ignored({ ...offer, op: 1 })).toBe(true);
    expect(ignored({ ...offer, yiaddr: parseIp('0.0.0.0')! })).toBe(true);
    expect(ignored(offer)).toBe(false);
  });

  test('whatever answers come, in whatever order, a client that is bound has an address and an end', () => {
    const type = fc.constantFrom(...Object.values(MESSAGE_TYPE));
    const answers = fc.array(
      fc.record({ message: anyMessage, type, fits: fc.boolean(), wait: fc.nat(2_000_000) }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(answers, (all) => {
        let now = 0;
        let { state } = start(setup, now);
        for (const { message, type: kind, fits, wait } of all) {
          now += wait;
          if (state.dueAt <= now) state = onTimer(setup, state, now).state;
          const xid = 'xid' in state ? state.xid : 0;
          const options = [
            byteOption(OPTION.MESSAGE_TYPE, kind),
            ipOption(OPTION.SERVER_ID, message.siaddr),
            ...message.options.filter(({ code }) => code !== 53 && code !== 54),
          ];
          const answer = { ...message, ...(fits && { op: 2, xid, chaddr: mac }), options };
          state = onMessage(setup, state, answer, via, now).state;
          expect(state.dueAt).toBeGreaterThanOrEqual(0);
          if (state.phase === 'bound') expect(state.lease.address.value).not.toBe(0n);
        }
      }),
    );
  });
});
