/**
 * An API server in this process that behaves as the real one does where this project looks: lists in pages, watches
 * with bookmarks, patches, conflicts and compacted history; and that fails in the ways a test asks for. The contract
 * suite runs against both.
 */

import type { AnyMessageType } from '../../grpc/wire/schema.ts';
import { ENDPOINT_SLICES, NODES, SERVICES } from '../resource.ts';
import type { ApiObject } from '../types.ts';
import { PROTOBUF_TYPE } from '../wire/decode-status.ts';
import { encodeList, encodeStatus } from './encode-object.ts';
import { FakeStore, Refusal } from './fake-store.ts';
import { FakeWatches } from './fake-watches.ts';
import { applyPatch } from './patch.ts';

/** What lists of which objects are in protobuf. */
const MESSAGES: Readonly<Record<string, AnyMessageType | undefined>> = Object.fromEntries(
  [NODES, SERVICES, ENDPOINT_SLICES].map(({ plural, message }) => [plural, message]),
);

export interface FakeApiServerOptions {
  /** PEM; without them it speaks plain HTTP. `clientCa`: who wants in needs a certificate of that authority. */
  readonly tls?: FakeTls;
  /** Requests without this bearer token get 401. */
  readonly token?: string;
}

export interface FakeTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Parsed JSON. */
  readonly body: unknown;
}

export interface Fault {
  /** By default every request. */
  readonly when?: (request: SeenRequest) => boolean;
  /** How many requests it meets; by default all, until it is disposed of. */
  readonly times?: number;
  /**
   * An answer, or what to do in place of one. hang: no answer comes, and the connection stays open; lost: the same, but what was
   * asked for is done.
   */
  readonly answer: FaultAnswer;
}

/** As by a thin line: what the server would answer anyway, once `after` has come, piece by piece. */
export interface SlowAnswer {
  readonly after?: Promise<void>;
  /** How long each piece takes (ms). */
  readonly everyMs: number;
  /** Bytes of a piece, by default 1. */
  readonly bytes?: number;
}

export type FaultAnswer =
  | 'hang'
  | 'lost'
  | { readonly delayMs: number }
  | SlowAnswer
  | { readonly code: number; readonly reason?: string; readonly retryAfterS?: number };

export class FakeApiServer implements AsyncDisposable {
  readonly store: FakeStore = new FakeStore();
  readonly watches: FakeWatches = new FakeWatches(this.store);
  /** Everything that was asked. */
  readonly requests: SeenRequest[] = [];
  /** Asked for in every request. */
  token: string | undefined;
  readonly #faults = new Set<{ fault: Fault; left: number }>();
  /** Lists that are being given out page by page, by their collection and version. */
  readonly #snapshots = new Map<string, readonly ApiObject[]>();
  #server: Bun.Server<undefined> | undefined;
  #tls: FakeTls | undefined;
  #port = 0;

  constructor(options: FakeApiServerOptions = {}) {
    this.token = options.token;
    this.start(options.tls);
  }

  get url(): string {
    return `${this.#tls ? 'https' : 'http'}://127.0.0.1:${this.#port}`;
  }

  /** Listens (again), on the port it had. */
  start(tls: FakeTls | undefined = this.#tls): void {
    this.#tls = tls;
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port: this.#port,
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
      ...(tls && {
        tls: {
          cert: tls.cert,
          key: tls.key,
          ...(tls.clientCa && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
        },
      }),
    });
    this.#port = this.#server.port ?? 0;
  }

  /** As a server that is killed: connections break, and nobody listens. */
  async stop(): Promise<void> {
    await this.#server?.stop(true);
    this.#server = undefined;
  }

  /** Has requests fail. Dispose of it to have them succeed again. */
  inject(fault: Fault): Disposable {
    const entry = { fault, left: fault.times ?? Number.POSITIVE_INFINITY };
    this.#faults.add(entry);
    return { [Symbol.dispose]: () => this.#faults.delete(entry) };
  }

  /** History and half-read lists are forgotten: old versions get 410. */
  compact(): void {
    this.store.compact();
    this.#snapshots.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const text = await request.text();
    const seen: SeenRequest = {
      method: request.method,
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    this.requests.push(seen);
    try {
      const fault = this.#faultFor(seen);
      if (fault === 'hang') return await new Promise(() => {});
      if (fault === 'lost') {
        this.#handle(seen);
        return await new Promise(() => {});
      }
      if (fault && 'code' in fault) return faultResponse(seen.headers, fault);
      if (fault && 'delayMs' in fault) await Bun.sleep(fault.delayMs);
      if (fault && 'everyMs' in fault) await fault.after;
      if (this.token !== undefined && request.headers.get('authorization') !== `Bearer ${this.token}`)
        throw new Refusal(401, 'Unauthorized', 'Unauthorized');
      const answer = this.#handle(seen);
      return fault && 'everyMs' in fault ? trickled(answer, fault) : answer;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return statusResponse(seen.headers, error);
    }
  }

  #faultFor(request: SeenRequest): FaultAnswer | undefined {
    for (const entry of this.#faults) {
      if (entry.left <= 0 || entry.fault.when?.(request) === false) continue;
      entry.left -= 1;
      return entry.fault.answer;
    }
    return undefined;
  }

  #handle(request: SeenRequest): Response {
    const { method, query, body } = request;
    const { collection, plural, namespace, name, subresource } = parsePath(request.path);
    const keyFor = (object: string): string => (namespace === undefined ? object : `${namespace}/${object}`);
    if (name === undefined) {
      const matches = selector(query, namespace);
      if (method === 'POST') {
        const created = body as ApiObject;
        const metadata = { ...created.metadata, ...(namespace !== undefined && { namespace }) };
        const key = keyFor(created.metadata.name);
        return json(this.store.create(collection, key, { ...created, metadata }), 201);
      }
      if (query.get('watch') !== 'true')
        return this.#list(collection, plural, query, matches, wantsProtobuf(request.headers));
      const version = query.get('resourceVersion') ?? '';
      // The real one says so, too.
      if (!/^\d*$/.test(version)) throw new Refusal(500, 'InternalError', `Invalid value: "${version}"`);
      return this.watches.open({
        collection,
        matches,
        version,
        bookmarks: query.get('allowWatchBookmarks') === 'true',
        timeoutMs: Number(query.get('timeoutSeconds') ?? 1800) * 1000,
      });
    }
    const key = keyFor(name);
    const stored = this.store.get(collection, key);
    const write = (next: ApiObject): Response =>
      json(this.store.replace(collection, key, written(stored, next, plural, subresource)));
    switch (method) {
      case 'GET':
        return json(stored);
      case 'PUT':
        return write(body as ApiObject);
      case 'PATCH':
        return write(applyPatch(stored, body, request.headers.get('content-type') ?? '') as ApiObject);
      case 'DELETE':
        return json(this.store.delete(collection, key));
      default:
        throw new Refusal(405, 'MethodNotAllowed', method);
    }
  }

  #list(
    collection: string,
    plural: string,
    query: URLSearchParams,
    matches: (object: ApiObject) => boolean,
    wantsProtobuf: boolean,
  ): Response {
    const limit = Number(query.get('limit') ?? 0);
    const token = query.get('continue');
    const [version = this.store.version, start = 0] = token?.split('.').map(Number) ?? [];
    this.#checkVersion(query);
    const all = token === null ? this.store.all(collection) : this.#snapshots.get(`${collection} ${version}`);
    if (!all) {
      const message = 'The provided continue parameter is too old to display a consistent list result.';
      throw new Refusal(410, 'Expired', message);
    }
    const matching = all.filter(matches);
    const page = limit > 0 ? matching.slice(start, start + limit) : matching;
    const isLast = start + page.length >= matching.length;
    if (!isLast) this.#snapshots.set(`${collection} ${version}`, all);
    const more = isLast ? {} : { continue: `${version}.${start + page.length}` };
    const metadata = { resourceVersion: String(version), ...more };
    const items = page.map(({ apiVersion: _, kind: __, ...item }) => item);
    const message = wantsProtobuf ? MESSAGES[plural] : undefined;
    if (message) return protobuf(encodeList(message, metadata, items as Record<string, unknown>[]));
    return json({ kind: `${plural}List`, apiVersion: 'v1', metadata, items });
  }

  /** A version in a list is a lower bound, which is all that is asked for here. */
  #checkVersion(query: URLSearchParams): void {
    const version = query.get('resourceVersion');
    if (version === null) return;
    if (query.has('continue') || query.get('resourceVersionMatch') !== 'NotOlderThan')
      throw new Refusal(400, 'BadRequest', 'resourceVersion: Forbidden');
    if (Number(version) <= this.store.version) return;
    const message = `Too large resource version: ${version}, current: ${this.store.version}`;
    const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
    throw new Refusal(504, 'Timeout', message, { causes, retryAfterSeconds: 1 });
  }
}

/** Kinds whose status only a write to `status` changes, as far as tests here depend on it. */
const OWN_STATUS: ReadonlySet<string> = new Set([
  'persistentvolumes',
  'persistentvolumeclaims',
  'volumesnapshotcontents',
  'volumegroupsnapshotcontents',
]);

/** A write to `status` leaves the spec as it is; metadata's labels and annotations change with it, as on the real one. */
function written(stored: ApiObject, next: ApiObject, plural: string, subresource?: string): ApiObject {
  const kept = subresource === 'status' ? 'spec' : OWN_STATUS.has(plural) ? 'status' : undefined;
  if (kept === undefined) return next;
  const { [kept]: _, ...rest } = next as ApiObject & { spec?: unknown; status?: unknown };
  const value = (stored as { spec?: unknown; status?: unknown })[kept];
  return { ...rest, ...(value !== undefined && { [kept]: value }) };
}

interface ParsedPath {
  readonly collection: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

function parsePath(path: string): ParsedPath {
  const parts = path.split('/').slice(1).map(decodeURIComponent);
  const group = parts.splice(0, parts[0] === 'api' ? 2 : 3).join('/');
  const namespace = parts[0] === 'namespaces' && parts.length > 2 ? parts.splice(0, 2)[1] : undefined;
  const [plural, name, subresource] = parts;
  if (plural === undefined) throw new Refusal(404, 'NotFound', `there is no ${path}`);
  return {
    collection: `${group}/${plural}`,
    plural,
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(subresource !== undefined && { subresource }),
  };
}

/** Selectors of equality and its opposite, of any field; `!name`: without that label. An absent field is an empty one. */
function selector(query: URLSearchParams, namespace: string | undefined): (object: ApiObject) => boolean {
  const terms = (name: string): Term[] => (query.get(name) ?? '').split(',').filter(Boolean).map(parseTerm);
  const fields = terms('fieldSelector');
  const labels = terms('labelSelector');
  const field = (object: ApiObject, name: string): unknown =>
    name.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], object);
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    fields.every(({ name, is, value }) => ((field(object, name) ?? '') === value) === is) &&
    labels.every(({ name, is, value }) => (object.metadata.labels?.[name] === value) === is);
}

/** `is` says whether the value is wanted or not. */
interface Term {
  readonly name: string;
  readonly is: boolean;
  readonly value: string | undefined;
}

function parseTerm(term: string): Term {
  if (term.startsWith('!')) return { name: term.slice(1), is: true, value: undefined };
  const [, name = '', operator, value] = /^(.*?)(!=|==?)(.*)$/.exec(term) ?? [];
  return { name, is: operator !== '!=', value };
}

function json(value: unknown, code = 200): Response {
  return Response.json(value, { status: code });
}

function protobuf(body: Uint8Array, code = 200, headers: Record<string, string> = {}): Response {
  return new Response(body as Uint8Array<ArrayBuffer>, {
    status: code,
    headers: { ...headers, 'content-type': PROTOBUF_TYPE },
  });
}

function wantsProtobuf(headers: Headers): boolean {
  return headers.get('accept')?.startsWith(PROTOBUF_TYPE) === true;
}

function statusResponse(
  asked: Headers,
  { code, reason, message, details }: Refusal,
  headers: Record<string, string> = {},
): Response {
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, details };
  if (wantsProtobuf(asked)) return protobuf(encodeStatus(status), code, headers);
  return Response.json(status, { status: code, headers });
}

/** The same answer, a piece at a time; what comes while it is sent waits its turn. */
function trickled(answer: Response, { everyMs, bytes = 1 }: SlowAnswer): Response {
  const reader = answer.body?.getReader();
  if (!reader) return answer;
  let rest: Uint8Array = new Uint8Array();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (rest.length === 0) {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          rest = value;
        }
        await Bun.sleep(everyMs);
        controller.enqueue(rest.slice(0, bytes));
        rest = rest.subarray(bytes);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status: answer.status, headers: answer.headers });
}

function faultResponse(
  asked: Headers,
  { code, reason, retryAfterS }: Extract<FaultAnswer, { code: number }>,
): Response {
  const headers: Record<string, string> =
    retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) };
  return statusResponse(asked, new Refusal(code, reason ?? 'Fault', 'as the test asked'), headers);
}
