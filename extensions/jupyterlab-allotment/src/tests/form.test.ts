import * as fs from 'fs';
import * as path from 'path';
import type { IProblem } from '../answers';
import {
  acceptable,
  changeOf,
  cleaned,
  fieldErrors,
  formSchema,
  MAIN_FIELDS,
  MORE_FIELDS,
  neededGrants,
  proposable,
  simplified
} from '../form';

const SCHEMA = JSON.parse(
  fs.readFileSync(path.join(__dirname, '..', '..', '..', '..', 'profiles', 'schemas', 'profile.json'), 'utf8')
);
const TEAM = { title: 'Housing', data_roles: { granted: [{ name: 'housing-open', title: '' }], askable: [] } };

function problem(more: Partial<IProblem>): IProblem {
  return { path: '', line: null, field: '', code: 'x', level: 'hard', message: 'Wrong.', remedy: '', ...more };
}

test('every field of the form is one of the schema', () => {
  for (const field of [...MAIN_FIELDS, ...MORE_FIELDS]) {
    expect(SCHEMA.properties).toHaveProperty(field);
  }
});

test('the form has its fields in order, writes no defaults and asks for no null', () => {
  const schema = formSchema(SCHEMA, MAIN_FIELDS);
  expect(Object.keys(schema.properties)).toEqual(MAIN_FIELDS);
  expect(schema.required).toEqual(['title', 'purpose', 'image', 'resources']);
  expect(schema.$defs.Resources.properties.cpu.title).toBe('CPU');
  const more = formSchema(SCHEMA, MORE_FIELDS);
  expect([...JSON.stringify(more).matchAll(/"null"|patternProperties/g)]).toEqual([]);
  expect('default' in more.properties.lifetime || 'default' in more.$defs.Lifetime.properties.idle).toBe(false);
  expect('default' in more.$defs.Option.properties).toBe(true); // a field of this name
  expect(schema.$defs.MemoryRange.properties.guarantee.description).toMatch(/\(\d+ .iB\)$/);
});

test('a value or null is the value, and choices of a list are boxes', () => {
  expect(simplified({ anyOf: [{ type: 'string', format: 'date' }, { type: 'null' }], description: 'Day.' })).toEqual({
    type: 'string',
    format: 'date',
    description: 'Day.'
  });
  expect(simplified({ type: 'array', items: { enum: ['a'] }, default: [] }).uniqueItems).toBe(true);
});

test('what the form left empty is not written, but what the file had empty stays', () => {
  const original = { title: 'A', environment: {}, options: { size: { title: '' } } };
  const value = {
    title: 'B',
    description: '',
    environment: {},
    storage: { home: undefined },
    options: { size: { title: '', choices: {} } },
    data_roles: []
  };
  expect(cleaned(value, original)).toEqual({ title: 'B', environment: {}, options: { size: { title: '' } } });
});

test('a change has the grants that the team lacks, with the reason, and what should be accepted', () => {
  const profile = { title: 'A', data_roles: ['housing-open', 'rail-open'] };
  expect(neededGrants(profile, TEAM)).toEqual(['rail-open']);
  const draft = {
    team: 'housing',
    name: 'a',
    profile,
    reason: 'Lines',
    until: { 'rail-open': '2027-03-31', 'housing-open': '2027-03-31' },
    accept: { 'cpu-envelope': 'Census', other: '  ' }
  };
  expect(changeOf(draft, {}, TEAM)).toEqual({
    team: 'housing',
    name: 'a',
    profile,
    grants: [{ data_role: 'rail-open', until: '2027-03-31', reason: 'Lines' }],
    accept: [{ code: 'cpu-envelope', reason: 'Census' }]
  });
});

test('an acceptance is offered only where nothing else is wrong', () => {
  const soft = problem({ code: 'cpu-envelope', level: 'soft' });
  expect(acceptable([soft, soft, problem({ level: 'advice' })])).toEqual(['cpu-envelope']);
  expect(acceptable([soft, problem({})])).toEqual([]);
});

test('nothing is proposed without a check that is fine and a reason', () => {
  const draft = { team: 'a', name: 'b', profile: {}, reason: 'Because', until: {}, accept: {} };
  const check = { ok: true, problems: [], changes: [], access: [], requirements: [], automatic: [], others: [], cost: null };
  expect(proposable(null, draft)).toBe(false);
  expect(proposable({ ...check, ok: false }, draft)).toBe(false);
  expect(proposable(check, { ...draft, reason: ' ' })).toBe(false);
  expect(proposable(check, draft)).toBe(true);
});

test('problems are shown at their fields, whatever these are called', () => {
  const errors = fieldErrors([
    problem({ field: 'resources.memory.limit', message: 'Too much.', remedy: 'Take less.' }),
    problem({ field: 'resources.memory.limit', message: 'Really.' }),
    problem({ field: '__proto__.polluted' }),
    problem({ field: 'constructor' }),
    problem({ field: 'title', level: 'advice' })
  ]);
  expect(errors.resources.memory.limit.__errors).toEqual(['Too much. Take less.', 'Really.']);
  expect(errors.title).toBeUndefined();
  expect(({} as any).polluted).toBeUndefined();
});
