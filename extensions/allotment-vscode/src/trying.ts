/** The own proposals: how they stand, and a trial of one before it is merged. */

import * as vscode from 'vscode';
import type { Answer, SessionCommand } from './command';
import type { Proposing } from './proposing';
import { openInBrowser, openPage } from './telling';
import { plain, webAddress } from './words';

const START_SECONDS = 960;
const PROPOSAL = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const ENDED = ['live', 'merged', 'rejected', 'withdrawn'];
const t = vscode.l10n.t;

interface Choice extends vscode.QuickPickItem {
  proposal?: Answer;
}

/** List the user's proposals, and open the page of the one that is picked. */
export async function showProposals(command: SessionCommand): Promise<void> {
  const choices = (await ownProposals(command)).map(choiceOf);
  if (!choices.length) {
    void vscode.window.showInformationMessage(t('You have no proposals.'));
    return;
  }
  const picked = await vscode.window.showQuickPick(choices, {
    title: t('Your proposals'),
    placeHolder: t('Enter opens the page of a proposal'),
    matchOnDescription: true
  });
  const page = webAddress(picked?.proposal?.url, command.service);
  if (page) {
    await openInBrowser(page);
  }
}

/** Start a trial of a proposal, or of the file in the editor, and offer to open it; or end the one that runs. */
export async function tryIt(command: SessionCommand, proposing: Proposing): Promise<void> {
  const draft = proposing.draft();
  const file: Choice = { label: t('The file in the editor'), description: draft?.profile };
  const end: Choice = { label: t('End the trial that runs') };
  const open = (await ownProposals(command)).filter(each => !ENDED.includes(String(each.state)));
  const picked = await vscode.window.showQuickPick([...(draft ? [file] : []), ...open.map(choiceOf), end], {
    title: t('Try before it is merged: a session beside this one, with an empty home, without your files and without data')
  });
  if (picked === end) {
    await command.json(['try', '--end']);
    void vscode.window.showInformationMessage(t('The trial is ended.'));
  } else if (picked) {
    const id = String(picked.proposal?.id ?? '');
    const words = picked.proposal ? ['try', checkedId(id)] : ['try', '--file=-', `--name=${draft?.profile}`];
    const answer = await started(command, words, picked.proposal ? undefined : draft?.content);
    if (answer) {
      const seconds = typeof answer.started_in === 'number' ? Math.round(answer.started_in) : '?';
      await openPage(t('The trial has started in {0} s.', seconds), answer.url, command);
    }
  }
}

/** Wait until a trial answers. Return null where the user does not want to wait. */
async function started(command: SessionCommand, words: string[], input?: string): Promise<Answer | null> {
  const place = { location: vscode.ProgressLocation.Notification, title: t('The trial is starting'), cancellable: true };
  return vscode.window.withProgress(place, async (_, cancelled) => {
    const stop = new AbortController();
    cancelled.onCancellationRequested(() => stop.abort());
    try {
      return await command.json(words, { input, seconds: START_SECONDS, signal: stop.signal });
    } catch (error) {
      if (!stop.signal.aborted) {
        throw error;
      }
      // It was asked for, and would start all the same.
      await command.json(['try', '--end']);
      return null;
    }
  });
}

async function ownProposals(command: SessionCommand): Promise<Answer[]> {
  const { proposals } = await command.json(['status']);
  return Array.isArray(proposals) ? proposals : [];
}

function choiceOf(proposal: Answer): Choice {
  return {
    label: plain(proposal.title) || plain(proposal.id),
    description: plain(proposal.state),
    detail: plain(proposal.id),
    proposal
  };
}

function checkedId(id: string): string {
  if (!PROPOSAL.test(id)) {
    throw new Error(t('The service named a proposal that cannot be tried.'));
  }
  return id;
}
