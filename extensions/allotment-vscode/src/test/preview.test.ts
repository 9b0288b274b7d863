import assert from 'node:assert/strict';
import { test } from 'node:test';
import { previewText, requestOf } from '../preview';

const t = (message: string) => message;
const CHECKS = {
  problems: [],
  changes: [{ text: 'memory limit 4 GiB → 8 GiB' }],
  requirements: [{ text: 'a lead of Housing statistics' }],
  cost: { text: '£0.076 → £0.124 an hour' }
};

test('everything that is sent is shown, ten thousand packages as well', () => {
  const packages = Array.from({ length: 10_000 }, (_, number) => ({ manager: 'pip', name: `package-${number}`, version: '1' }));
  const request = { team: 'a', name: 'b', reason: 'x', profile: { title: '<img src=x>' }, evidence: { packages } };
  const shown = previewText(CHECKS, requestOf({ request }), t);
  for (const said of ['memory limit 4 GiB → 8 GiB', 'a lead of Housing', '£0.124', 'package-9999', '<img src=x>']) {
    assert.ok(shown.includes(said), said);
  }
  assert.deepEqual(JSON.parse(shown.slice(shown.indexOf('{'))), request);
});

test('a file is shown as it is, and what cannot be seen in it by its code', () => {
  const content = 'title: A\n# note\u202e\nmemory: 8 GiB\n';
  const shown = previewText(CHECKS, { team: 'a', name: 'b', reason: 'x', content }, t);
  assert.ok(shown.includes('title: A\n# note\\u202e\nmemory: 8 GiB\n'));
});

test('problems are shown with their place and what helps, and nothing can be sent', () => {
  const problem = { level: 'hard', path: 'teams/a/profiles/b.yaml', line: 7, code: 'memory-unit', message: "'GB' is not known.", remedy: 'Did you mean GiB?' };
  assert.equal(requestOf({ checks: {}, request: undefined }), null);
  const shown = previewText({ ...CHECKS, problems: [problem] }, null, t);
  assert.match(shown, /^Nothing can be proposed yet\.\n\nProblems\n/);
  const advice = { level: 'advice', message: 'It is long. '.repeat(20) };
  const advised = previewText({ problems: [advice] }, { team: 'a', name: 'b' }, t);
  assert.match(advised, /Advice\n  It is long\./);
  assert.ok(advised.split('\n').every(line => line.length <= 100));
  assert.match(shown, /b\.yaml:7 'GB' is not known\. Did you mean GiB\? \[memory-unit\]/);
});
