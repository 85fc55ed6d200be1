/** The control socket while a command says nothing for long, as in the VM. */
import { mkdtempSync, rmSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { ask, serveControl } from './control.ts';

const directory = mkdtempSync('/tmp/underpod-control-');
afterAll(() => rmSync(directory, { recursive: true }));

/** The runtime closes idle connections after 10 s unless told otherwise, and looks every 4 s: in ms. */
const SILENCE = 15_000;

test('a command that says nothing for 15 s is answered all the same', { timeout: 2 * SILENCE }, async () => {
  const socket = `${directory}/control.sock`;
  serveControl(socket, async () => {
    await Bun.sleep(SILENCE);
    return { kind: 'end', ok: true, value: 1 };
  });
  expect(await ask(socket, 'agent', {}, () => {})).toEqual({ kind: 'end', ok: true, value: 1 });
});
