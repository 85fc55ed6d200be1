/** How commands talk to the holder: one HTTP request on a unix socket, answered by a stream of events, one a line. */
import { slowness } from '../testing/slowness.ts';
import type { Event, Report } from './report.ts';

/** Longest silence of a holder that works, in ms; another command may come first. */
const SILENCE = 60_000 * slowness;

/** A request: the command's name is the path, its arguments the body. */
export type Handler = (command: string, body: unknown, report: Report) => Promise<Event & { kind: 'end' }>;

/** Serves requests one after another: two commands at once would disturb each other's checks. */
export function serveControl(socket: string, handle: Handler): void {
  let last: Promise<unknown> = Promise.resolve();
  Bun.serve({
    unix: socket,
    // A check may be silent for longer than the default of 10 s; `server.timeout(request, 0)` does nothing on unix
    // sockets. The types do not know that this option holds for them.
    ...({ idleTimeout: 0 } as object),
    fetch: async (request) => {
      if (request.method !== 'POST') return new Response();
      const command = new URL(request.url).pathname.slice(1);
      const body: unknown = await request.json();
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => {
          const send = (event: Event): void => {
            // Whoever asked may have gone; the work is finished all the same, so that the lab stays consistent.
            if (!request.signal.aborted) controller.enqueue(encode(event));
          };
          last = last
            .then(() => handle(command, body, send))
            .catch((error: unknown): Event => {
              send({ kind: 'text', text: error instanceof Error ? error.message : String(error) });
              return { kind: 'end', ok: false };
            })
            .then((end) => {
              send(end);
              if (!request.signal.aborted) controller.close();
            });
        },
      });
      return new Response(stream);
    },
  });
}

function encode(event: Event): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(event)}\n`);
}

/** Whether somebody answers at the socket: the file appears before the server listens. */
export async function isServed(socket: string): Promise<boolean> {
  try {
    await fetch('http://lab/', { unix: socket } as RequestInit);
    return true;
  } catch {
    return false;
  }
}

/**
 * Sends a command to a holder.
 *
 * @param report gets every event but the last
 * @returns the last event
 * @throws Error if the holder ends meanwhile
 */
export async function ask(
  socket: string,
  command: string,
  body: unknown,
  report: Report,
): Promise<Event & { kind: 'end' }> {
  const hearing = new Hearing();
  const { signal } = hearing;
  const init = { unix: socket, method: 'POST', body: JSON.stringify(body), timeout: false, signal };
  try {
    const response = await fetch(`http://lab/${command}`, init as RequestInit);
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      hearing.heard();
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const event = JSON.parse(line) as Event;
        if (event.kind === 'end') return event;
        report(event);
      }
    }
    throw new Error('the lab ended while it worked');
  } finally {
    hearing.end();
  }
}

/** Gives a holder up that says nothing for too long: whatever takes time reports its progress. */
class Hearing {
  readonly #controller = new AbortController();
  #timer: Timer = this.#start();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #start(): Timer {
    const silent = new Error(`the lab has said nothing for ${SILENCE / 1000} s: 'down' removes it`);
    return setTimeout(() => this.#controller.abort(silent), SILENCE);
  }
}
