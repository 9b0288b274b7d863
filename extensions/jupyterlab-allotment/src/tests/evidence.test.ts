import { evidenceLines } from '../evidence';

const GIB = 1024 ** 3;

function filled(text: string, values: any[]): string {
  return values.reduce((done, value, place) => done.replace(`%${place + 1}`, String(value)), text);
}

const TRANS = {
  __: (text: string, ...values: any[]) => filled(text, values),
  _n: (one: string, many: string, n: number, ...values: any[]) => filled(n === 1 ? one : many, [n, ...values])
};

test('all that is sent of a session is shown in words, but for the packages, which have a list of their own', () => {
  const evidence = {
    profile: 'a/b',
    options: { size: 'large', kind: 'x' },
    use: {
      source: 'session',
      memory_peak: 3 * GIB,
      memory_limit: 4 * GIB,
      cpu_typical: 0.51234,
      cpu_limit: 2,
      cpu_throttled: 0.123,
      seconds: 3700,
      out_of_memory: 2
    },
    data_roles: ['x', 'y'],
    packages: [{ manager: 'pip', name: 'polars', version: '1.0' }]
  };
  expect(evidenceLines(evidence, TRANS)).toEqual([
    ['Profile', 'a/b'],
    ['Options', 'size: large, kind: x'],
    ['Data roles', 'x, y'],
    ['Measured by', 'this session itself'],
    ['Memory, peak', '3 GiB'],
    ['Memory, limit of the session', '4 GiB'],
    ['CPU, average', '0.51 CPU'],
    ['CPU, limit of the session', '2 CPU'],
    ['Held back by the limit of its CPU', '12 % of the time'],
    ['Observed for', '1 h 1 min'],
    ['Ended by the kernel for lack of memory', '2 processes']
  ]);
});

test('what is not known here is shown by its own name, and a value of another kind as it is', () => {
  const evidence = { use: { disk_peak: 7, memory_peak: 'much', constructor: 1 } } as any;
  expect(evidenceLines(evidence, TRANS)).toEqual([
    ['disk peak', '7'],
    ['Memory, peak', 'much'],
    ['constructor', '1']
  ]);
});
