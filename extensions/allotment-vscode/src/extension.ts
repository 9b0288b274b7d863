/** The extension: the item in the status bar, and the commands. */

import * as vscode from 'vscode';
import { CommandError, SessionCommand, withServerPath, type Answer } from './command';
import { Proposing } from './proposing';
import { outOfMemory, shownStatus, shownTrouble, type OutOfMemory, type Shown } from './status';
import { openInBrowser, showError } from './telling';
import { showProposals, tryIt } from './trying';
import { plain, webAddress } from './words';

const ANSWER_SECONDS = 20;
const LONGEST_PAUSE = 300;
const TOLD = 'allotment.outOfMemory';
const t = vscode.l10n.t;

export function activate(context: vscode.ExtensionContext): void {
  const setting = (name: string) => vscode.workspace.getConfiguration('allotment').get(name);
  const environment = withServerPath(process.env, process.ppid);
  const command = new SessionCommand(() => String(setting('command') || 'allotment-session'), environment);
  const status = new StatusBar(command, context.globalState, () => Math.max(10, Number(setting('pollSeconds')) || 30));
  const proposing = new Proposing(command, () => void status.refresh());
  const commands: [string, () => Promise<void>][] = [
    ['profile', () => proposing.profile()],
    ['proposeRunning', () => proposing.running()],
    ['proposeChange', () => proposing.change()],
    ['proposeFile', () => proposing.file()],
    ['send', () => proposing.send()],
    ['try', () => tryIt(command, proposing)],
    ['proposals', () => showProposals(command)]
  ];
  const registered = commands.map(([name, run]) =>
    vscode.commands.registerCommand(`allotment.${name}`, () => run().catch(error => showError(error, command)))
  );
  context.subscriptions.push(status, proposing, ...registered);
  void status.refresh();
}

/** Asks the command from time to time, and shows what it says. */
class StatusBar implements vscode.Disposable {
  private readonly _item = vscode.window.createStatusBarItem('allotment.profile', vscode.StatusBarAlignment.Left, 10);
  private readonly _focus: vscode.Disposable;
  private _timer: NodeJS.Timeout | undefined;
  private _title = '';
  private _failures = 0;
  private _asking = false;

  constructor(
    private readonly _command: SessionCommand,
    private readonly _told: vscode.Memento,
    private readonly _seconds: () => number
  ) {
    this._item.name = 'Allotment';
    this._item.command = 'allotment.profile';
    this._focus = vscode.window.onDidChangeWindowState(state => state.focused && !this._timer && void this.refresh());
  }

  dispose(): void {
    clearTimeout(this._timer);
    this._focus.dispose();
    this._item.dispose();
  }

  /** Ask now, and again after a pause, which grows while there is no answer. */
  async refresh(): Promise<void> {
    if (this._asking) {
      return;
    }
    this._asking = true;
    clearTimeout(this._timer);
    try {
      const status = await this._command.json(['status'], { seconds: ANSWER_SECONDS });
      this._failures = 0;
      this._title = plain(status.session?.title, 40);
      this._show(shownStatus(status, Date.now(), t));
      this._tell(status).catch(error => showError(error, this._command));
    } catch (error) {
      this._failures += 1;
      const told = error instanceof CommandError ? error : new CommandError('unreachable', String(error));
      this._show(shownTrouble(told, this._title, t));
    } finally {
      this._asking = false;
      const pause = Math.min(LONGEST_PAUSE, this._seconds() * 2 ** this._failures);
      this._timer = setTimeout(() => this._due(), pause * 1000);
    }
  }

  private _due(): void {
    this._timer = undefined;
    if (vscode.window.state.focused) {
      void this.refresh();
    }
  }

  private _show(shown: Shown): void {
    this._item.text = shown.text;
    this._item.tooltip = shown.tooltip;
    this._item.accessibilityInformation = { label: `Allotment: ${shown.text.replace('$(vm) ', '')}`, role: 'button' };
    this._item.backgroundColor = shown.warning ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    this._item.show();
  }

  /** Tell once of each lack of memory, with the one step that helps. */
  private async _tell(status: Answer): Promise<void> {
    const lack = outOfMemory(status);
    if (lack && this._told.get(TOLD) !== lack.key) {
      await this._told.update(TOLD, lack.key);
      await this._offer(lack);
    }
  }

  private async _offer({ text, larger }: OutOfMemory): Promise<void> {
    const page = webAddress(larger?.url, this._command.service);
    const start = larger && page && t('Start {0} with {1}', larger.name, larger.memory);
    const propose = t('Propose a larger limit');
    const pressed = await vscode.window.showWarningMessage(text, start || propose);
    if (page && pressed && pressed === start) {
      await openInBrowser(page);
    } else if (pressed === propose) {
      await vscode.commands.executeCommand('allotment.proposeRunning');
    }
  }
}
