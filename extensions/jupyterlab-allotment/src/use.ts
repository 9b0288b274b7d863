/** What a session uses, beside its limits, and how long it has left. No widgets. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { IOwnSession, ISession, IUse } from './answers';
import { formatBytes, formatDuration } from './amounts';

/** From this share of the limit on, memory is short. */
export const SHORT = 0.9;
/** From this many seconds on, the end is near. */
export const NEAR_SECONDS = 30 * 60;

export interface IGauge {
  /** Between 0 and 1; null where no limit is known. */
  share: number | null;
  text: string;
  short: boolean;
}

/** Return the memory in use beside its limit; null where it is not known. The profile's limit counts where there is no other. */
export function memoryGauge(use: IUse | null, own: IOwnSession | undefined): IGauge | null {
  const now = use?.memory_now;
  if (typeof now !== 'number') {
    return null;
  }
  const limit = use?.memory_limit || own?.memory || 0;
  const text = limit ? `${formatBytes(now)} / ${formatBytes(limit)}` : formatBytes(now);
  return { share: limit ? Math.min(1, now / limit) : null, text, short: limit > 0 && now >= SHORT * limit };
}

/** Return the CPUs in use beside their limit; null where that is not known. */
export function cpuGauge(use: IUse | null, own: IOwnSession | undefined): IGauge | null {
  const now = use?.cpu_now ?? use?.cpu_typical;
  if (typeof now !== 'number') {
    return null;
  }
  const limit = own?.cpu ?? 0;
  const shown = now >= 10 ? now.toFixed(0) : now.toFixed(1);
  return { share: limit ? Math.min(1, now / limit) : null, text: limit ? `${shown} / ${limit}` : shown, short: false };
}

export interface ITimeLeft {
  seconds: number;
  text: string;
  /** What ends the session. */
  why: string;
  near: boolean;
}

/** Return how long the session has left, by what ends it first; null where nothing is known to end it. */
export function timeLeft(session: ISession | null, now: number): ITimeLeft | null {
  const ends = (session?.own?.ends ?? [])
    .map(end => ({ at: Date.parse(end.at), why: end.text }))
    .filter(end => !Number.isNaN(end.at))
    .sort((one, other) => one.at - other.at);
  if (!ends.length) {
    return null;
  }
  const seconds = Math.max(0, (ends[0].at - now) / 1000);
  return { seconds, text: formatDuration(seconds), why: ends[0].why, near: seconds <= NEAR_SECONDS };
}

/** Return how often a process was ended for lack of memory; where that is not counted, how many kernels were killed. */
export function killed(use: IUse | null): number {
  return use?.out_of_memory ?? use?.kernels_killed ?? 0;
}

/** Whether a process was killed between two looks; the first look counts, too. */
export function ranOut(before: IUse | null, after: IUse): boolean {
  return killed(after) > killed(before);
}

/** Return what is said after that. Where the reason is not known, none is claimed. */
export function ranOutText(use: IUse | null, trans: Pick<TranslationBundle, '__'>): string {
  return typeof use?.out_of_memory === 'number'
    ? trans.__('Out of memory: the kernel ended a process of this session.')
    : trans.__('A kernel was killed. The system does that when memory runs out.');
}
