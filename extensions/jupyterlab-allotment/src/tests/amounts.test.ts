import { daysLeft, formatBytes, formatDuration } from '../amounts';

test('amounts are written with one unit', () => {
  expect(formatBytes(1.5 * 1024 ** 3)).toBe('1.5 GiB');
  expect(formatBytes(300 * 1024 ** 2)).toBe('300 MiB');
  expect(formatBytes(0)).toBe('0 KiB');
});

test('what is left is written in hours and minutes', () => {
  expect(formatDuration(12000)).toBe('3 h 20 min');
  expect(formatDuration(60)).toBe('1 min');
  expect(formatDuration(59.9)).toBe('59 s');
  expect(formatDuration(-5)).toBe('0 s');
  expect(formatDuration(3 * 86400)).toBe('3 d');
});

test('a last day counts whole, in UTC', () => {
  const noon = Date.parse('2026-11-28T12:00:00Z');
  expect(daysLeft('2026-11-28', noon)).toBe(0);
  expect(daysLeft('2026-11-29', noon)).toBe(1);
  expect(daysLeft('2026-11-27', noon)).toBe(-1);
  for (const wrong of [null, undefined, '', 'tomorrow', '2026-13-45']) {
    expect(daysLeft(wrong, noon)).toBeNull();
  }
});
