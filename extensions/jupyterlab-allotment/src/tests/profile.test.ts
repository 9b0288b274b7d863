import { execFileSync } from 'child_process';
import * as fs from 'fs';
import * as path from 'path';

const FOLDER = path.join(__dirname, '..', '..');

test('the types of a profile are those of the schema: renew them with `jlpm types`', () => {
  // A process of its own: what formats the types does not load in Jest's.
  const types = execFileSync(process.execPath, ['types.js'], { cwd: FOLDER, encoding: 'utf8' });
  expect(fs.readFileSync(path.join(FOLDER, 'src', 'profile.ts'), 'utf8')).toBe(types);
});
