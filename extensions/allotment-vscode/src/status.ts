/** What the status bar says. */

import type { Answer, CommandError, Trouble } from './command';
import { formatBytes, formatDuration, plain, type Translate } from './words';

/** From this many seconds on, the end is near. */
const NEAR_SECONDS = 30 * 60;
const LONGEST_TITLE = 40;

export interface Shown {
  text: string;
  /** Plain text. */
  tooltip: string;
  warning: boolean;
}

/** What has happened to the session's memory, and the one step that helps. */
export interface OutOfMemory {
  /** The same as long as nothing new has happened. */
  key: string;
  text: string;
  larger: { name: string; memory: string; url: unknown } | null;
}

/** Return what the status bar says while the service answers. */
export function shownStatus(status: Answer, now: number, t: Translate): Shown {
  const { session = {}, use = {} } = status;
  const profile = plain(session.profile);
  const title = plain(session.title, LONGEST_TITLE) || profile;
  const memory = memoryText(session, use);
  const left = timeLeft(session, now);
  const short = linesOf(status.short_of_memory);
  const parts = [
    session.trial ? t('Trial: {0}', title) : title,
    memory,
    left && t('{0} left', formatDuration(left.seconds))
  ];
  const tooltip = [
    title === profile ? profile : `${title} (${profile})`,
    memory && t('Memory in use of the limit: {0}', memory),
    left && t('Ends in {0}: {1}', formatDuration(left.seconds), left.why),
    session.newer === true && t('The profile has changed since: a new start has the newer version.'),
    ...short
  ];
  return {
    text: '$(vm) ' + parts.filter(Boolean).join(' · '),
    tooltip: tooltip.filter(Boolean).join('\n'),
    warning: short.length > 0 || (left !== null && left.seconds <= NEAR_SECONDS)
  };
}

/** Return what the status bar says where there is no answer. `title` is what ran when there was one. */
export function shownTrouble(error: CommandError, title: string, t: Translate): Shown {
  const said: { [trouble in Trouble]: string } = {
    missing: t('no allotment-session'),
    'no-session': t('no session'),
    refused: t('refused'),
    unreachable: t('no answer')
  };
  const tooltip = [error.message, error.why, error.remedy].map(each => plain(each, 1000));
  return {
    text: `$(vm) ${title || 'Allotment'}: ${said[error.trouble]}`,
    tooltip: tooltip.filter(Boolean).join('\n'),
    warning: false
  };
}

/** Return what to tell of a lack of memory: processes that were ended here, or the end of the last session. */
export function outOfMemory(status: Answer): OutOfMemory | null {
  const { session = {}, use = {} } = status;
  const kills = amountOf(use.out_of_memory);
  const [text] = linesOf(status.short_of_memory);
  if (!text || !(kills || session.last?.reason === 'out-of-memory')) {
    return null;
  }
  const first = Array.isArray(session.larger) ? session.larger[0] : null;
  const larger = first && {
    name: plain([first.title || first.profile, ...Object.values(first.options ?? {})].join(' '), 60),
    memory: formatBytes(amountOf(first.memory)),
    url: first.url
  };
  return { key: `${plain(session.profile)} ${plain(session.started)} ${kills}`, text, larger };
}

function memoryText(session: Answer, use: Answer): string {
  const now = amountOf(use.memory_now);
  const limit = amountOf(use.memory_limit) || amountOf(session.memory);
  return now ? (limit ? `${formatBytes(now)} / ${formatBytes(limit)}` : formatBytes(now)) : '';
}

function timeLeft(session: Answer, now: number): { seconds: number; why: string } | null {
  const [first] = (Array.isArray(session.ends) ? session.ends : [])
    .map(end => ({ at: Date.parse(end?.at), why: plain(end?.text) }))
    .filter(end => !Number.isNaN(end.at))
    .sort((one, other) => one.at - other.at);
  return first ? { seconds: Math.max(0, (first.at - now) / 1000), why: first.why } : null;
}

function amountOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function linesOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(each => plain(each)).filter(Boolean) : [];
}
