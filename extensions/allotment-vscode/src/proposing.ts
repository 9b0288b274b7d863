/** Propose: draft, show everything that would be sent, and send it once the user says so. */

import * as vscode from 'vscode';
import type { SessionCommand } from './command';
import { previewText, requestOf, type Request } from './preview';
import { showError, openPage } from './telling';
import { plain } from './words';

const SCHEME = 'allotment-proposal';
const t = vscode.l10n.t;

/** A document that shows something of the session or the service: read-only, and plain text. */
interface Page {
  text: string;
  /** What *Propose* sends; null where there is nothing to send, or it was sent. */
  request: Request | null;
}

export class Proposing implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly _pages = new Map<string, Page>();
  private readonly _drafts = new Map<string, string>();
  private readonly _changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly _disposables: vscode.Disposable[];
  private _number = 0;
  readonly onDidChange = this._changed.event;

  constructor(
    private readonly _command: SessionCommand,
    /** Called after something was proposed. */
    private readonly _proposed: () => void
  ) {
    this._disposables = [
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      vscode.workspace.registerTextDocumentContentProvider(READ_ONLY, this),
      vscode.workspace.onDidCloseTextDocument(document => this._closed(document.uri)),
      this._changed
    ];
  }

  dispose(): void {
    this._disposables.forEach(each => each.dispose());
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this._pages.get(uri.toString())?.text ?? t('This is not shown any more.');
  }

  /** Show the profile that runs, as the command says it. */
  async profile(): Promise<void> {
    const said = await waiting(t('Asking what runs'), () =>
      Promise.all([this._command.text(['whoami']), this._command.text(['status'])])
    );
    await this._show(READ_ONLY, t('My profile'), { text: said.join('\n'), request: null });
  }

  /** Propose other limits for what runs: those that its use suggests, or one that the user writes. */
  async running(): Promise<void> {
    const words = ['propose', '--running', '--save=/dev/null'];
    const drafted = () => waiting(t('Looking at what this session used'), () => this._command.json(words));
    let answer = await drafted();
    if (!answer.checks) {
      const limit = await vscode.window.showInputBox({
        title: t('What this session used suggests no other limit. How much memory is needed?'),
        placeHolder: '16 GiB',
        ignoreFocusOut: true,
        validateInput: text => (/^\d+(\.\d+)?\s*[KMGT]iB$/.test(text.trim()) ? null : t('A number and a unit, such as 16 GiB'))
      });
      if (!limit) {
        return;
      }
      words.push(`--set=memory.limit=${limit.trim()}`);
      answer = await drafted();
    }
    await this._confirm(answer);
  }

  /** Open the file of the profile that runs, to be changed. */
  async change(): Promise<void> {
    const answer = await waiting(t('Fetching the file of the profile'), () => this._command.json(['show']));
    if (typeof answer.content !== 'string' || !answer.content) {
      throw new Error(t('The service does not give the file: some values are for the team and administrators.'));
    }
    const document = await vscode.workspace.openTextDocument({ language: 'yaml', content: answer.content });
    this._drafts.set(document.uri.toString(), typeof answer.id === 'string' ? answer.id : this._command.profile);
    this._tellDrafts();
    await vscode.window.showTextDocument(document, { preview: false });
    void vscode.window.showInformationMessage(
      t('Change the file. Then check it, to propose it: with the button above, Ctrl+Enter, or the command “Check this file, to propose it”.')
    );
  }

  /** Return the file that is edited, with the profile that it is for; null where none is. */
  draft(): { content: string; profile: string } | null {
    const document = vscode.window.activeTextEditor?.document;
    const profile = document && this._drafts.get(document.uri.toString());
    return document && profile ? { content: document.getText(), profile } : null;
  }

  /** Check the file in the editor, and show what would be sent. */
  async file(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (!document) {
      return;
    }
    const profile = await vscode.window.showInputBox({
      title: t('Which profile is this file for? Another name makes a new one.'),
      value: this._drafts.get(document.uri.toString()) ?? this._command.profile,
      ignoreFocusOut: true,
      validateInput: text => (PROFILE.test(text) ? null : t('TEAM/NAME, in small letters, digits and dashes'))
    });
    if (!profile) {
      return;
    }
    const words = ['propose', '--file=-', `--name=${profile}`, '--save=/dev/null'];
    const input = document.getText();
    await this._confirm(await waiting(t('Checking it'), () => this._command.json(words, { input })));
  }

  /** Send what the document in the editor shows. */
  async send(uri = vscode.window.activeTextEditor?.document.uri): Promise<void> {
    const page = uri && this._pages.get(uri.toString());
    const request = page?.request;
    if (!uri || !page || !request) {
      void vscode.window.showInformationMessage(t('There is nothing here that could be proposed.'));
      return;
    }
    // A second press sends nothing.
    page.request = null;
    try {
      const words = ['propose', '--send=-', '--yes'];
      const input = JSON.stringify(request);
      const { proposal } = await waiting(t('Proposing it'), () => this._command.json(words, { input }));
      // In the place of what says that nothing is sent yet.
      page.text = t('This was proposed as {0}.', plain(proposal.id)) + page.text.slice(page.text.indexOf('\n\n'));
      this._changed.fire(uri);
      this._proposed();
      const waits = plain(proposal.waits_for);
      const said = [t('Proposed as {0}.', plain(proposal.id)), waits && t('It waits for {0}.', waits)];
      await openPage(said.filter(Boolean).join(' '), proposal.url, this._command);
    } catch (error) {
      page.request = request;
      throw error;
    }
  }

  /** Ask for the reason, show everything that would be sent, and offer to send it. */
  private async _confirm(answer: { [name: string]: any }): Promise<void> {
    let request = requestOf(answer);
    if (request) {
      const reason = await vscode.window.showInputBox({
        title: t('Why is it needed? The people who review it read it.'),
        value: typeof request.reason === 'string' ? request.reason : '',
        ignoreFocusOut: true,
        validateInput: text => (text.trim() ? null : t('A proposal needs a reason'))
      });
      if (!reason) {
        return;
      }
      request = { ...request, reason: reason.trim() };
    }
    const title = request ? t('Propose {0}', `${request.team} ${request.name}`) : t('Problems');
    const uri = await this._show(SCHEME, title, { text: previewText(answer.checks, request, t), request });
    if (!request) {
      return;
    }
    const propose = t('Propose');
    const pressed = await vscode.window.showInformationMessage(
      t('Everything that would be sent is shown. Propose {0}?', plain(`${request.team}/${request.name}`)),
      propose,
      t('Not now')
    );
    if (pressed === propose) {
      await this.send(uri).catch(error => showError(error, this._command));
    }
  }

  private async _show(scheme: string, title: string, page: Page): Promise<vscode.Uri> {
    const path = `/${++this._number}/${title.replace(/[^\p{L}\p{N} -]/gu, '')}`;
    const uri = vscode.Uri.from({ scheme, path });
    this._pages.set(uri.toString(), page);
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document, { preview: false });
    return uri;
  }

  private _closed(uri: vscode.Uri): void {
    this._pages.delete(uri.toString());
    if (this._drafts.delete(uri.toString())) {
      this._tellDrafts();
    }
  }

  private _tellDrafts(): void {
    void vscode.commands.executeCommand('setContext', 'allotment.drafts', [...this._drafts.keys()]);
  }
}

const READ_ONLY = 'allotment-session';
const PROFILE = /^[a-z0-9][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9-]{0,62}$/;

/** Show that something is waited for. */
function waiting<T>(what: string, work: () => Promise<T>): Promise<T> {
  const place = { location: vscode.ProgressLocation.Window, title: what };
  return Promise.resolve(vscode.window.withProgress(place, work));
}
