import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatBytes, formatDuration, plain, visibleJson, webAddress } from '../words';

const ROOT = join(__dirname, '..', '..');

test('amounts are written as people read them', () => {
  assert.equal(formatBytes(4 * 1024 ** 3), '4 GiB');
  assert.equal(formatBytes(3.14 * 1024 ** 3), '3.1 GiB');
  assert.equal(formatBytes(500 * 1024), '500 KiB');
  assert.equal(formatDuration(3 * 3600 + 20 * 60 + 5), '3 h 20 min');
  assert.equal(formatDuration(42), '42 s');
});

test('text of others is neither an icon nor a link nor longer than a line', () => {
  const hostile = 'A $(zap) [b](command:workbench.action.quit)\n<b>c</b>\u202e\u0007';
  assert.equal(plain(hostile), 'A $ (zap) [b] (command:workbench.action.quit) <b>c</b>');
  assert.equal(plain('x'.repeat(400), 300).length, 301);
  assert.equal(plain({ not: 'text' }), '');
});

test('JSON shows what cannot be seen, and still means the same', () => {
  const request = { title: 'abc\u202ed\u{e0041}', lines: 'a\nb' };
  const shown = visibleJson(request);
  assert.ok(!/[\u202e\u{e0000}-\u{e007f}]/u.test(shown));
  assert.deepEqual(JSON.parse(shown), request);
});

test('only pages of the web are opened', () => {
  const service = 'https://hub.example.org/services/allotment/api/v1';
  assert.equal(webAddress('/services/allotment/proposals/1', service), 'https://hub.example.org/services/allotment/proposals/1');
  assert.equal(webAddress('https://other.example.org/x', service), 'https://other.example.org/x');
  for (const address of ['command:x', 'javascript:x', 'vscode://x/y', 'https://a:b@c', '', null, 7]) {
    assert.equal(webAddress(address, service), null);
  }
  assert.equal(webAddress('/x', undefined), null);
});

test('every text is in the bundle for translators, and every title in package.nls.json', () => {
  const sources = readdirSync(join(ROOT, 'src')).filter(name => name.endsWith('.ts'));
  const texts = sources.flatMap(name => {
    const source = readFileSync(join(ROOT, 'src', name), 'utf8');
    return [...source.matchAll(/\bt\(\s*'([^']*)'/g)].map(found => found[1]);
  });
  const bundle = JSON.parse(readFileSync(join(ROOT, 'l10n', 'bundle.l10n.json'), 'utf8'));
  assert.deepEqual(Object.keys(bundle), [...new Set(texts)].sort());
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const titles = JSON.parse(readFileSync(join(ROOT, 'package.nls.json'), 'utf8'));
  assert.deepEqual(Object.keys(titles).sort(), [...manifest.matchAll(/"%([^%"]+)%"/g)].map(found => found[1]).sort());
});
