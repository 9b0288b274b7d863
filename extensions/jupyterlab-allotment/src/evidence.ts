/** What is sent as evidence, in words. No widgets. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { IEvidence } from './answers';
import { formatBytes, formatDuration } from './amounts';

type Words = Pick<TranslationBundle, '__' | '_n'>;

/**
 * Return what is sent as evidence, without the packages, as labels and values. Nothing of it is left out: what a newer
 * service may know besides has its own name as label.
 */
export function evidenceLines(evidence: IEvidence, trans: Words): [string, string][] {
  const { use, packages, ...rest } = evidence;
  const words = new Map(Object.entries({ ...wordsOf(trans), ...wordsOfUse(trans) }));
  return Object.entries({ ...rest, ...use }).map(([name, value]) => {
    const [label, text] = words.get(name) ?? [name.replace(/_/g, ' '), plain];
    return [label, text(value)];
  });
}

type Format = (value: unknown) => string;

function wordsOf(trans: Words): { [name: string]: [string, Format] } {
  return {
    profile: [trans.__('Profile'), plain],
    revision: [trans.__('Started from revision'), plain],
    options: [trans.__('Options'), plain],
    image: [trans.__('Image'), plain],
    digest: [trans.__('Digest of the image'), plain],
    packages_left_out: [trans.__('Packages that are not sent'), plain],
    data_roles: [trans.__('Data roles'), plain]
  };
}

function wordsOfUse(trans: Words): { [name: string]: [string, Format] } {
  const sources: { [source: string]: string } = {
    session: trans.__('this session itself'),
    metrics: trans.__('the cluster')
  };
  const cpus: Format = value => (isNumber(value) ? trans.__('%1 CPU', rounded(value)) : plain(value));
  const share: Format = value => (isNumber(value) ? trans.__('%1 % of the time', Math.round(value * 100)) : plain(value));
  return {
    source: [trans.__('Measured by'), value => sources[String(value)] ?? plain(value)],
    seconds: [trans.__('Observed for'), value => (isNumber(value) ? formatDuration(value) : plain(value))],
    memory_peak: [trans.__('Memory, peak'), bytes],
    memory_typical: [trans.__('Memory, typical'), bytes],
    memory_limit: [trans.__('Memory, limit of the session'), bytes],
    out_of_memory: [
      trans.__('Ended by the kernel for lack of memory'),
      value => (isNumber(value) ? trans._n('1 process', '%1 processes', value) : plain(value))
    ],
    cpu_peak: [trans.__('CPU, peak'), cpus],
    cpu_typical: [trans.__('CPU, average'), cpus],
    cpu_limit: [trans.__('CPU, limit of the session'), cpus],
    cpu_throttled: [trans.__('Held back by the limit of its CPU'), share],
    gpus: [trans.__('GPUs'), plain]
  };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function bytes(value: unknown): string {
  return isNumber(value) ? formatBytes(value) : plain(value);
}

function rounded(value: number): string {
  return String(Number(value.toFixed(value < 10 ? 2 : 0)));
}

function plain(value: unknown): string {
  if (Array.isArray(value)) {
    return value.map(plain).join(', ');
  }
  if (value !== null && typeof value === 'object') {
    return Object.entries(value)
      .map(([name, each]) => `${name}: ${plain(each)}`)
      .join(', ');
  }
  return String(value);
}
