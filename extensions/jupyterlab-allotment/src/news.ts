/** What a user is told of while they work: own proposals that got further, and data that ends. */

import type { IDataRole, IProposal, ITrial } from './answers';
import { daysLeft } from './amounts';

export type ProposalEvent = 'approved' | 'rejected' | 'live';

export interface IProposalNews {
  event: ProposalEvent;
  proposal: IProposal;
}

export interface IAccessNews {
  event: 'soon' | 'ended';
  name: string;
  /** The last day. */
  day: string;
  days: number;
  /** Names this news, so that it is told once. */
  key: string;
}

/** How many days before its end access is spoken of. */
export const SOON_DAYS = 14;

const TOLD: { [state: string]: ProposalEvent } = { approved: 'approved', rejected: 'rejected', live: 'live' };

/** Return what has become of proposals since the look before; nothing at the first look. */
export function proposalNews(before: IProposal[] | null, after: IProposal[]): IProposalNews[] {
  if (before === null) {
    return [];
  }
  const earlier = new Map(before.map(each => [each.id, each.state]));
  return after
    .filter(each => each.state in TOLD && earlier.has(each.id) && earlier.get(each.id) !== each.state)
    .map(each => ({ event: TOLD[each.state], proposal: each }));
}

/** Return the last day of a data role: the end of the grant, or of its review if that is sooner. */
export function lastDay(role: IDataRole): string | null {
  const days = [role.until, role.review_by].filter((day): day is string => Boolean(day)).sort();
  return days[0] ?? null;
}

/** Return which access to data has ended or ends soon. */
export function accessNews(data: IDataRole[], now: number): IAccessNews[] {
  return data.flatMap(role => {
    const day = lastDay(role);
    const days = daysLeft(day, now);
    if (day === null || days === null || (days > SOON_DAYS && !role.state)) {
      return [];
    }
    const event = role.state || days < 0 ? ('ended' as const) : ('soon' as const);
    return [{ event, name: role.name, day, days, key: `${role.name} ${day} ${event}` }];
  });
}

/** Whether a trial that was starting runs now, or did not start. */
export function trialNews(before: ITrial | null, after: ITrial): boolean {
  return before?.state === 'starting' && (after.state === 'running' || (after.state === 'ended' && after.code !== ''));
}
