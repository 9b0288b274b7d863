/** Amounts as people read them, and text of others as plain text. */

/** `vscode.l10n.t`, or what stands for it in tests. */
export type Translate = (message: string, ...parts: (string | number)[]) => string;

const UNITS: [string, number][] = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2]
];

/** Control characters, and those that change the direction of text or cannot be seen. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** Format bytes: `3.1 GiB`. */
export function formatBytes(size: number): string {
  const [unit, factor] = UNITS.find(each => size >= each[1]) ?? ['KiB', 1024];
  return `${(size / factor).toFixed(1).replace('.0', '')} ${unit}`;
}

/** Format how long something takes: `3 h 20 min`. */
export function formatDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) {
    return `${Math.max(0, Math.floor(seconds))} s`;
  }
  const hours = Math.floor(minutes / 60);
  return [hours ? `${hours} h` : '', minutes % 60 ? `${minutes % 60} min` : ''].filter(Boolean).join(' ');
}

/**
 * Return text of others in one line, as VS Code shows it unchanged in labels and messages: there, `$(name)` would be an
 * icon, and `[text](command:name)` a link.
 */
export function plain(text: unknown, longest = 300): string {
  const line = typeof text === 'string' ? text.replace(/\s+/g, ' ').replace(UNSEEN, '').trim() : '';
  const shown = line.replace(/\$\(/g, '$ (').replace(/\]\(/g, '] (');
  return shown.length > longest ? shown.slice(0, longest) + '…' : shown;
}

/** Return text of several lines without what cannot be seen. What is left out is shown as its code. */
export function visible(text: string): string {
  return text.replace(UNSEEN, character => (character === '\n' || character === '\t' ? character : escaped(character)));
}

/** Return a document as JSON in which nothing is unseen: it means the same as what is sent. */
export function visibleJson(document: unknown): string {
  return visible(JSON.stringify(document, null, 2));
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, place) => {
    return '\\u' + character.charCodeAt(place).toString(16).padStart(4, '0');
  }).join('');
}

/** Return an address of the web, resolved against the service's; null for any other. */
export function webAddress(address: unknown, service: string | undefined): string | null {
  try {
    const url = typeof address === 'string' && address ? new URL(address, service || undefined) : null;
    return url && ['http:', 'https:'].includes(url.protocol) && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}
