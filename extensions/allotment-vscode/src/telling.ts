/** Messages: text of others is plain, and only pages of the web are opened. */

import * as vscode from 'vscode';
import { CommandError, type SessionCommand } from './command';
import { plain, webAddress } from './words';

const t = vscode.l10n.t;

/** Say something, with a button that opens its page in the browser. */
export async function openPage(text: string, address: unknown, command: SessionCommand): Promise<void> {
  const page = webAddress(address, command.service);
  const open = t('Open its page');
  const pressed = await vscode.window.showInformationMessage(plain(text, 1000), ...(page ? [open] : []));
  if (pressed === open && page) {
    await openInBrowser(page);
  }
}

/** Open an address of the web in the browser. */
export async function openInBrowser(page: string): Promise<void> {
  await vscode.env.openExternal(vscode.Uri.parse(page, true));
}

/** Say what went wrong: what, why, and what helps. */
export async function showError(error: unknown, command: SessionCommand): Promise<void> {
  const text = error instanceof CommandError ? error.whole : error instanceof Error ? error.message : String(error);
  const page = error instanceof CommandError ? webAddress(error.url, command.service) : null;
  const open = t('Open its page');
  const pressed = await vscode.window.showErrorMessage(plain(text, 1000), ...(page ? [open] : []));
  if (pressed === open && page) {
    await openInBrowser(page);
  }
}
