/** The document that shows what would be sent, before anything is. */

import type { Answer } from './command';
import { plain, visible, visibleJson, type Translate } from './words';

const WIDTH = 90;

/** What can be sent: the body of the request. */
export type Request = Answer;

/** Return the request in an answer of a dry run; null where there is nothing to send. */
export function requestOf(answer: Answer): Request | null {
  const request = answer.request;
  return request && typeof request === 'object' && typeof request.team === 'string' ? request : null;
}

/** Return the text of the document: what it means first, then everything that is sent, with nothing left out. */
export function previewText(checks: Answer | null, request: Request | null, t: Translate): string {
  const advice = listed(checks?.problems, each => (each.level === 'advice' ? '' : 'problem')).length === 0;
  const sections: [string, string[]][] = [
    [advice ? t('Advice') : t('Problems'), listed(checks?.problems, problemText)],
    [t('Changes'), listed(checks?.changes, each => plain(each.text, 1000))],
    [t('Access to data'), listed(checks?.access, each => plain(each.text, 1000))],
    [t('Who will have to approve'), listed(checks?.requirements, each => plain(each.text, 1000))],
    [t('Cost'), [plain(checks?.cost?.text)].filter(Boolean)]
  ];
  const lines = sections.flatMap(([title, items]) => (items.length ? [title, ...items.flatMap(wrapped), ''] : []));
  if (!request) {
    return [t('Nothing can be proposed yet.'), '', ...lines].join('\n');
  }
  const { content, ...rest } = request;
  const whole = [t('Everything that is sent'), visibleJson(rest)];
  if (typeof content === 'string') {
    whole.push('', t('The file that is sent as `content`'), visible(content));
  }
  const first = [t('Nothing is sent yet.'), t('To propose it: the tick above, Ctrl+Enter, or the command “Propose what is shown here”.')];
  return [...first, '', ...lines, ...whole, ''].join('\n');
}

/** Return one line for each problem that keeps a file from being proposed. */
function problemText(problem: Answer): string {
  const place = [problem.path, problem.line].filter(Boolean).join(':');
  return plain([place, problem.message, problem.remedy, problem.code && `[${problem.code}]`].filter(Boolean).join(' '), 1000);
}

/** Break a text into indented lines that an editor shows whole. */
function wrapped(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last && last.length + word.length >= WIDTH) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = last ? `${last} ${word}` : word;
    }
  }
  return lines.map((line, place) => (place ? '    ' : '  ') + line);
}

function listed(items: unknown, text: (item: Answer) => string): string[] {
  return (Array.isArray(items) ? items : []).map(each => text(each ?? {})).filter(Boolean);
}
