/** A trial: the buttons that start it, its state, and the link that opens it. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { UseSignal } from '@jupyterlab/ui-components';
import React from 'react';
import type { Api } from './api';
import type { ITrial } from './answers';
import { told, type ICallProblem } from './errors';
import { pageAddress } from './links';
import type { AllotmentModel } from './model';
import { Problem } from './problem';

interface ITrialProps {
  model: AllotmentModel;
  /** The proposal; empty for a draft. */
  proposal: string;
  trans: TranslationBundle;
}

interface IStart {
  label: string;
  /** Describes the button where there are several of this label. */
  title: string;
  start: (api: Api) => Promise<ITrial>;
}

/** The trial of one proposal, or of a draft, with the buttons that start it. A refusal is shown in full. */
export function Trial(props: ITrialProps & { starts: IStart[]; disabled?: boolean }): JSX.Element {
  const { model, proposal, starts, trans } = props;
  const [busy, setBusy] = React.useState(false);
  const [problem, setProblem] = React.useState<ICallProblem | null>(null);
  const act = async (call: (api: Api) => Promise<ITrial>) => {
    setBusy(true);
    setProblem(null);
    try {
      await model.onTrial(call);
    } catch (error) {
      setProblem(told(error));
    }
    setBusy(false);
  };
  const content = (): JSX.Element => {
    const trial = model.trial?.proposal === proposal ? model.trial : null;
    const live = trial?.state === 'starting' || trial?.state === 'running';
    return (
      <div className="jp-Allotment-trial">
        <div aria-live="polite">
          {problem && <Problem problem={problem} trans={trans} />}
          {trial && !problem && <TrialState trial={trial} trans={trans} />}
        </div>
        {live ? (
          <button className="jp-Allotment-link" disabled={busy} onClick={() => void act(api => api.endTrial())}>
            {trans.__('End the trial')}
          </button>
        ) : (
          starts.map(each => (
            <button
              key={each.label}
              className="jp-Allotment-link"
              aria-label={each.title}
              title={trans.__('A session of it with an empty home, none of your files and no data, for a limited time')}
              disabled={busy || props.disabled}
              onClick={() => void act(each.start)}
            >
              {each.label}
            </button>
          ))
        )}
      </div>
    );
  };
  return <UseSignal signal={model.changed}>{content}</UseSignal>;
}

/** Return the buttons that try a proposal: one for each profile that it changes. */
export function startsOf(id: string, title: string, profiles: string[], trans: TranslationBundle): IStart[] {
  if (profiles.length < 2) {
    return [{ label: trans.__('Try it'), title: trans.__('Try %1', title), start: api => api.tryProposal(id) }];
  }
  return profiles.map(profile => {
    const label = trans.__('Try %1', profile);
    return { label, title: label, start: api => api.tryProposal(id, profile) };
  });
}

function TrialState({ trial, trans }: { trial: ITrial; trans: TranslationBundle }): JSX.Element | null {
  const address = pageAddress(trial.url);
  if (trial.state === 'none') {
    return null;
  }
  if (trial.state === 'starting') {
    return <span>{trans.__('The trial is starting.')}</span>;
  }
  const started = trial.started_in === null ? '' : trans.__('It started in %1 s.', Math.round(trial.started_in));
  if (trial.state === 'running') {
    return (
      <span>
        {trans.__('The trial runs.')} {started}{' '}
        {address && (
          <a href={address} target="_blank" rel="noopener noreferrer">
            {trans.__('Open the trial')}
          </a>
        )}
      </span>
    );
  }
  return (
    <span>
      {started ? trans.__('The trial has ended.') : trans.__('The trial did not start.')} {started} {trial.why}
      {trial.code && <code> [{trial.code}]</code>}
    </span>
  );
}
