import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CommandError, SessionCommand, withServerPath } from '../command';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'allotment-'));
});
after(() => rmSync(folder, { recursive: true }));

/** Write a program that stands for allotment-session. */
function saying(script: string): SessionCommand {
  const path = join(folder, 'program');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return new SessionCommand(() => path, { PATH: process.env.PATH, ALLOTMENT_PROFILE: 'a/b' });
}

async function errorOf(work: Promise<unknown>): Promise<CommandError> {
  const error = await work.then(
    () => null,
    (problem: unknown) => problem
  );
  assert.ok(error instanceof CommandError, String(error));
  return error;
}

test('arguments arrive as they are, without a shell, and what is sent by standard input', async () => {
  const command = saying('input=$(cat); printf \'{"first": "%s", "count": %s, "input": "%s"}\' "$1" "$#" "$input"');
  const answer = await command.json(['--set=title=$(touch x); `y`'], { input: 'sent' });
  assert.deepEqual(answer, { first: '--set=title=$(touch x); `y`', count: 2, input: 'sent' });
});

test('problems in a file are an answer', async () => {
  assert.deepEqual(await saying('echo \'{"checks": {}}\'; exit 1').json([]), { checks: {} });
});

test('a refusal says what, why and what helps', async () => {
  const error = await errorOf(saying('echo \'{"error": {"what": "No.", "why": "Not yours.", "remedy": "Ask.", "url": "/x"}}\'; exit 3').json([]));
  assert.equal(error.trouble, 'refused');
  assert.equal(error.whole, 'No. Not yours. Ask.');
  assert.equal(error.url, '/x');
});

test('no command, no token, no answer and one that is too slow are told apart', async () => {
  const missing = new SessionCommand(() => join(folder, 'not-there'), {});
  assert.equal((await errorOf(missing.json([]))).trouble, 'missing');
  assert.equal((await errorOf(saying('echo \'{"error": {"what": "No token"}}\'; exit 2').json([]))).trouble, 'no-session');
  assert.equal((await errorOf(saying('echo \'{"error": {"what": "Away"}}\'; exit 4').json([]))).trouble, 'unreachable');
  assert.equal((await errorOf(saying('echo no JSON').json([]))).trouble, 'unreachable');
  assert.equal((await errorOf(saying('exec sleep 600').json([], { seconds: 0.2 }))).trouble, 'unreachable');
});

test('it is found where the hub has put it, although VS Code has another PATH', () => {
  mkdirSync(join(folder, '7'));
  writeFileSync(join(folder, '7', 'environ'), 'XPATH=/no\0PATH=/opt/session/bin:/bin\0TOKEN=secret\0');
  assert.deepEqual(withServerPath({ PATH: '/usr/bin', A: 'b' }, 7, folder), { PATH: '/usr/bin:/opt/session/bin:/bin', A: 'b' });
  assert.deepEqual(withServerPath({ PATH: '/usr/bin' }, 8, folder), { PATH: '/usr/bin' });
});
