/** A refusal or an error, as the service says it: what, why, what helps, and who decides. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';
import type { ICallProblem } from './errors';
import { pageAddress } from './links';

export function Problem({ problem, trans }: { problem: ICallProblem; trans: TranslationBundle }): JSX.Element {
  const address = pageAddress(problem.url);
  return (
    <div className="jp-Allotment-problem">
      <strong>{problem.what}</strong> {problem.why} {problem.remedy}
      {problem.code && <code> [{problem.code}]</code>}{' '}
      {address && (
        <a href={address} target="_blank" rel="noopener noreferrer">
          {trans.__('Open the page that helps')}
        </a>
      )}
    </div>
  );
}
