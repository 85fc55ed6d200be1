import { readdirSync, statSync, watch, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { RegistrationCalls } from '#messages/pluginregistration';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { Channel } from '../../shared/grpc/channel.ts';
import { createLogger, silentLogger } from '../../shared/log/logger.ts';
import { register } from './registration.ts';

const NAME = 'local.underpod.io';
const endpoint = '/var/lib/kubelet/plugins/local.underpod.io/csi.sock';

/** What the kubelet's plugin watcher takes for a socket to be asked (pkg/kubelet/pluginmanager/pluginwatcher). */
function isPluginSocket(directory: string, name: string): boolean {
  return (
    !name.startsWith('.') && statSync(`${directory}/${name}`, { throwIfNoEntry: false })?.isSocket() === true
  );
}

describe('registration', () => {
  test('the kubelet asks, and tells whether it took the driver', async () => {
    using directory = new TemporaryDirectory();
    const registry = directory.join('plugins_registry');
    const told: unknown[] = [];
    const lines: string[] = [];
    const log = createLogger('test', { sink: (line) => lines.push(line) });
    const onStatus = (registered: boolean, error: string): unknown => told.push([registered, error]);
    await using _registration = await register({ name: NAME, endpoint, directory: registry, log, onStatus });
    const sockets = readdirSync(registry).filter((name) => isPluginSocket(registry, name));
    expect(sockets).toEqual([`${NAME}-reg.sock`]);
    expect(statSync(`${registry}/${NAME}-reg.sock`).mode & 0o777).toBe(0o600);
    using kubelet = new Channel({ endpoints: [`unix://${registry}/${NAME}-reg.sock`] });
    expect(await kubelet.unary(RegistrationCalls.getInfo, {})).toEqual({
      type: 'CSIPlugin',
      name: NAME,
      endpoint,
      supportedVersions: ['1.0.0'],
    });
    await kubelet.unary(RegistrationCalls.notifyRegistrationStatus, {
      pluginRegistered: false,
      error: 'not now',
    });
    await kubelet.unary(RegistrationCalls.notifyRegistrationStatus, { pluginRegistered: true });
    expect(told).toEqual([
      [false, 'not now'],
      [true, ''],
    ]);
    expect(lines.some((line) => line.includes('not now'))).toBe(true);
  });

  test('who watches the directory never sees a socket that is not the one to be asked', async () => {
    using directory = new TemporaryDirectory();
    const seen = new Set<string>();
    const watcher = watch(directory.path, (_event, name) => {
      if (name !== null) seen.add(name);
    });
    const options = { name: NAME, endpoint, directory: directory.path, log: silentLogger };
    await (await register(options))[Symbol.asyncDispose]();
    await using _again = await register(options);
    // Events come in the order in which things were done.
    writeFileSync(directory.join('last'), '');
    for (const deadline = Date.now() + 5000; !seen.has('last') && Date.now() < deadline; )
      await new Promise((resolve) => setTimeout(resolve, 5));
    watcher.close();
    expect([...seen].filter((name) => !name.startsWith('.')).sort()).toEqual(['last', `${NAME}-reg.sock`]);
  });

  test('a socket that a killed driver left is replaced; one that somebody listens at is not', async () => {
    using directory = new TemporaryDirectory();
    const path = directory.join(`${NAME}-reg.sock`);
    const options = { name: NAME, endpoint, directory: directory.path, log: silentLogger };
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, () => resolve()));
    await expect(register(options)).rejects.toThrow('in use');
    await new Promise<void>((resolve) => other.close(() => resolve()));
    writeFileSync(path, '');
    {
      await using _registration = await register(options);
      using kubelet = new Channel({ endpoints: [`unix://${path}`] });
      expect((await kubelet.unary(RegistrationCalls.getInfo, {})).name).toBe(NAME);
    }
    expect(readdirSync(directory.path)).toEqual([]);
  });
});
