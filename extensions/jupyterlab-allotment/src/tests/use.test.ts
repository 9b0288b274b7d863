import type { IOwnSession, ISession } from '../answers';
import { cpuGauge, memoryGauge, ranOut, ranOutText, timeLeft } from '../use';

const GIB = 1024 ** 3;
const OWN: IOwnSession = {
  title: '',
  revision: '',
  newer: false,
  options: {},
  cpu: 2,
  memory: 4 * GIB,
  gpu: 0,
  ends: [],
  larger: []
};

function session(ends: { at: string; text: string }[]): ISession {
  const own = { ...OWN, ends: ends.map(end => ({ kind: 'total', ...end })) };
  return { inside: true, user: '', server: '', hub: '', profile: '', trial: '', own };
}

test('memory is shown beside the limit of the session itself, or else that of the profile', () => {
  expect(memoryGauge({ memory_now: GIB, unknown: '' }, OWN)).toEqual({ share: 0.25, text: '1 GiB / 4 GiB', short: false });
  expect(memoryGauge({ memory_now: GIB, memory_limit: GIB, unknown: '' }, OWN)?.short).toBe(true);
  expect(memoryGauge({ memory_now: GIB, unknown: '' }, undefined)).toEqual({ share: null, text: '1 GiB', short: false });
  expect(memoryGauge({ unknown: 'macOS' }, OWN)).toBeNull();
  expect(memoryGauge(null, OWN)).toBeNull();
});

test('CPUs are those of the moment where they are known, or else the average', () => {
  expect(cpuGauge({ cpu_now: 1, cpu_typical: 0.1, unknown: '' }, OWN)).toEqual({ share: 0.5, text: '1.0 / 2', short: false });
  expect(cpuGauge({ cpu_now: null, cpu_typical: 0.1, unknown: '' }, OWN)?.text).toBe('0.1 / 2');
  expect(cpuGauge({ unknown: '' }, OWN)).toBeNull();
});

test('the time left is until the first end', () => {
  const now = Date.parse('2026-11-28T12:00:00Z');
  const found = timeLeft(
    session([
      { at: '2026-11-28T20:00:00Z', text: 'its total time is over' },
      { at: '2026-11-28T12:20:00Z', text: 'it has lost access to data' },
      { at: 'never', text: '' }
    ]),
    now
  );
  expect(found).toEqual({ seconds: 1200, text: '20 min', why: 'it has lost access to data', near: true });
  expect(timeLeft(session([]), now)).toBeNull();
  expect(timeLeft(null, now)).toBeNull();
});

test('running out of memory is noticed once for each time', () => {
  expect(ranOut(null, { out_of_memory: 1, unknown: '' })).toBe(true);
  expect(ranOut({ out_of_memory: 1, unknown: '' }, { out_of_memory: 1, unknown: '' })).toBe(false);
  expect(ranOut({ unknown: '' }, { unknown: '' })).toBe(false);
});

test('where the system does not count it, a killed kernel is noticed, and no reason is claimed', () => {
  const trans = { __: (text: string) => text };
  expect(ranOut({ kernels_killed: 0, unknown: '' }, { kernels_killed: 1, unknown: '' })).toBe(true);
  expect(ranOut(null, { out_of_memory: 0, kernels_killed: 1, unknown: '' })).toBe(false);
  expect(ranOutText({ kernels_killed: 1, unknown: '' }, trans)).toMatch(/^A kernel was killed/);
  expect(ranOutText({ out_of_memory: 1, unknown: '' }, trans)).toMatch(/^Out of memory/);
});
