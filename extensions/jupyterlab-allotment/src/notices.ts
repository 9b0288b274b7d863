/** Notifications: what has become of own proposals, data that ends, and memory that did not suffice. */

import { Notification } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import type { TranslationBundle } from '@jupyterlab/translation';
import { formatBytes } from './amounts';
import { Commands } from './commands';
import { pageAddress } from './links';
import type { AllotmentModel } from './model';
import type { IAccessNews, IProposalNews } from './news';
import { ranOutText } from './use';

/** Tell a user what happens while they work, as long as `wanted` says so. */
export function notify(
  model: AllotmentModel,
  commands: CommandRegistry,
  trans: TranslationBundle,
  wanted: () => boolean
): void {
  const show: Notification.IAction = { label: trans.__('Show'), callback: () => void commands.execute(Commands.open) };

  function link(address: string | null, label: string): Notification.IAction[] {
    return address ? [{ label, callback: () => void window.open(address, '_blank', 'noopener'), displayType: 'link' }] : [];
  }

  model.proposalNews.connect((_, { event, proposal }: IProposalNews) => {
    if (!wanted()) {
      return;
    }
    const texts = {
      approved: trans.__('Approved: %1', proposal.title),
      rejected: trans.__('Rejected: %1', proposal.title),
      live: trans.__('Live: %1', proposal.title)
    };
    const actions = link(pageAddress(proposal.url), trans.__('Open its page'));
    Notification.emit(texts[event], event === 'rejected' ? 'warning' : 'success', { autoClose: false, actions });
  });

  model.trialNews.connect((_, trial) => {
    if (!wanted()) {
      return;
    }
    const runs = trial.state === 'running';
    const text = runs ? trans.__('The trial of %1 runs.', trial.profile) : trans.__('The trial did not start: %1', trial.why);
    const actions = runs ? link(pageAddress(trial.url), trans.__('Open the trial')) : [show];
    Notification.emit(text, runs ? 'success' : 'warning', { autoClose: false, actions });
  });

  model.accessNews.connect((_, { event, name, day, days }: IAccessNews) => {
    if (!wanted()) {
      return;
    }
    const text =
      event === 'ended'
        ? trans.__('Access to the data role %1 has ended.', name)
        : trans._n(
            'Access to the data role %2 ends on %3, in 1 day.',
            'Access to the data role %2 ends on %3, in %1 days.',
            days,
            name,
            day
          );
    Notification.emit(text, event === 'ended' ? 'error' : 'warning', { autoClose: false, actions: [show] });
  });

  model.outOfMemory.connect(() => {
    if (!wanted()) {
      return;
    }
    const larger = model.session?.own?.larger[0];
    const text = ranOutText(model.use, trans);
    const actions: Notification.IAction[] = larger
      ? link(pageAddress(larger.url), trans.__('Restart with %1', formatBytes(larger.memory)))
      : [{ label: trans.__('Propose a larger limit'), callback: () => void commands.execute(Commands.proposeRunning) }];
    Notification.emit(text, 'error', { autoClose: false, actions: [...actions, show] });
  });
}
