import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError } from '../command';
import { outOfMemory, shownStatus, shownTrouble } from '../status';

const GIB = 1024 ** 3;
const NOW = Date.parse('2027-01-01T08:00:00Z');
const SESSION = {
  profile: 'housing-statistics/notebook',
  title: 'Notebook in Python',
  memory: 4 * GIB,
  started: '2027-01-01T07:00:00Z',
  ends: [
    { kind: 'total', at: '2027-01-01T20:00:00Z', text: 'Its time is over.' },
    { kind: 'access-ended', at: '2027-01-01T11:20:00Z', text: 'Access to housing-open ends.' }
  ],
  larger: [{ profile: 'housing-statistics/notebook', title: 'Notebook', options: { size: 'large' }, memory: 8 * GIB, url: 'https://x/y' }]
};
const t = (message: string, ...parts: (string | number)[]) => message.replace(/\{(\d)\}/g, (_, place) => String(parts[place]));

test('the status bar has the title, memory of the limit, and the time until the first end', () => {
  const shown = shownStatus({ session: SESSION, use: { memory_now: 1.5 * GIB } }, NOW, t);
  assert.equal(shown.text, '$(vm) Notebook in Python · 1.5 GiB / 4 GiB · 3 h 20 min left');
  assert.match(shown.tooltip, /housing-statistics\/notebook[^]*Access to housing-open ends\./);
  assert.equal(shown.warning, false);
});

test('it warns half an hour before the end, and where the command says that memory is short', () => {
  const late = Date.parse('2027-01-01T11:00:00Z');
  assert.equal(shownStatus({ session: SESSION, use: {} }, late, t).warning, true);
  const short = { session: SESSION, use: {}, short_of_memory: ['Memory is short: 3.8 GiB of 4 GiB are used.'] };
  const shown = shownStatus(short, NOW, t);
  assert.equal(shown.warning, true);
  assert.match(shown.tooltip, /Memory is short/);
});

test('a title cannot pass for an icon, and an answer with nothing in it is no error', () => {
  assert.match(shownStatus({ session: { ...SESSION, title: '$(error) Free' } }, NOW, t).text, /^\$\(vm\) \$ \(error\) Free/);
  assert.equal(shownStatus({}, NOW, t).text, '$(vm) ');
  const trial = { session: { trial: '7', profile: 'a/b' }, use: { memory_now: GIB } };
  assert.equal(shownStatus(trial, NOW, t).text, '$(vm) Trial: a/b · 1 GiB');
});

test('without the command, without a session or without an answer it says so', () => {
  assert.equal(shownTrouble(new CommandError('missing', 'x'), '', t).text, '$(vm) Allotment: no allotment-session');
  assert.equal(shownTrouble(new CommandError('no-session', 'x'), '', t).text, '$(vm) Allotment: no session');
  const shown = shownTrouble(new CommandError('unreachable', 'It cannot be reached.', 'Refused', 'Wait.'), 'Notebook', t);
  assert.equal(shown.text, '$(vm) Notebook: no answer');
  assert.equal(shown.tooltip, 'It cannot be reached.\nRefused\nWait.');
});

test('a lack of memory is told once, with the step that helps', () => {
  const text = 'Out of memory: the kernel ended a process of this session once, at its limit of 4 GiB.';
  const status = { session: SESSION, use: { out_of_memory: 1 }, short_of_memory: [text, '  What helps'] };
  const lack = outOfMemory(status);
  assert.equal(lack?.text, text);
  assert.deepEqual(lack?.larger, { name: 'Notebook large', memory: '8 GiB', url: 'https://x/y' });
  assert.equal(outOfMemory(status)?.key, lack?.key);
  assert.notEqual(outOfMemory({ ...status, use: { out_of_memory: 2 } })?.key, lack?.key);
  assert.equal(outOfMemory({ ...status, use: {} }), null);
  const last = { ...SESSION, larger: [], last: { reason: 'out-of-memory' } };
  assert.equal(outOfMemory({ session: last, use: {}, short_of_memory: ['Your last session'] })?.larger, undefined);
});
