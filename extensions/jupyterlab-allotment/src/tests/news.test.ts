import type { IDataRole, IProposal, ITrial } from '../answers';
import { accessNews, lastDay, proposalNews, trialNews } from '../news';

const NOON = Date.parse('2026-11-28T12:00:00Z');

function proposal(id: string, state: string): IProposal {
  return { id, state, title: id, reason: '', waits_for: '', since: '', url: '', head: '' };
}

function role(name: string, until: string | null, more: Partial<IDataRole> = {}): IDataRole {
  return { name, path: '', until, review_by: null, state: '', ...more };
}

test('nothing is told at the first look, nor of proposals that were not there before', () => {
  expect(proposalNews(null, [proposal('a', 'approved')])).toEqual([]);
  expect(proposalNews([], [proposal('a', 'live')])).toEqual([]);
});

test('an approval, a rejection and a proposal that is live are told once', () => {
  const before = ['a', 'b', 'c', 'd'].map(id => proposal(id, 'open'));
  const after = [proposal('a', 'approved'), proposal('b', 'rejected'), proposal('c', 'live'), proposal('d', 'conflict')];
  expect(proposalNews(before, after).map(each => [each.proposal.id, each.event])).toEqual([
    ['a', 'approved'],
    ['b', 'rejected'],
    ['c', 'live']
  ]);
  expect(proposalNews(after, after)).toEqual([]);
});

test('access that ends within two weeks, and access that has ended, is told', () => {
  const roles = [role('later', '2027-03-31'), role('soon', '2026-12-05'), role('over', '2026-11-27'), role('none', null)];
  expect(accessNews(roles, NOON).map(each => [each.name, each.event, each.days])).toEqual([
    ['soon', 'soon', 7],
    ['over', 'ended', -1]
  ]);
});

test('the end of the review counts where it is sooner, and the service may say that access has ended', () => {
  const reviewed = role('reviewed', '2027-03-31', { review_by: '2026-11-30' });
  expect(lastDay(reviewed)).toBe('2026-11-30');
  expect(accessNews([reviewed], NOON)[0].event).toBe('soon');
  expect(accessNews([role('revoked', '2027-03-31', { state: 'ended' })], NOON)[0].event).toBe('ended');
});

test('a trial that was starting is told of once it runs, or did not start, but not when its user has ended it', () => {
  const trial = (state: ITrial['state'], code = ''): ITrial => {
    return { state, code, proposal: 'a', head: '', profile: 'a/b', started_in: null, why: '', url: '' };
  };
  expect(trialNews(trial('starting'), trial('running'))).toBe(true);
  expect(trialNews(trial('starting'), trial('ended', 'trial-failed'))).toBe(true);
  expect(trialNews(trial('starting'), trial('ended'))).toBe(false);
  expect(trialNews(trial('starting'), trial('starting'))).toBe(false);
  expect(trialNews(trial('running'), trial('running'))).toBe(false);
  expect(trialNews(null, trial('running'))).toBe(false);
});
