/** The item in the status bar: memory in use of the limit, and the time that is left. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import React from 'react';
import type { AllotmentModel } from './model';
import { memoryGauge, timeLeft } from './use';

export class StatusItem extends ReactWidget {
  constructor(
    private readonly _model: AllotmentModel,
    private readonly _trans: TranslationBundle,
    private readonly _open: () => void
  ) {
    super();
    this.addClass('jp-AllotmentStatus');
  }

  protected render(): JSX.Element {
    return <UseSignal signal={this._model.changed}>{() => this._content()}</UseSignal>;
  }

  private _content(): JSX.Element {
    const session = this._model.session;
    if (!session?.inside) {
      return <></>;
    }
    const memory = memoryGauge(this._model.use, session.own);
    const left = timeLeft(session, Date.now());
    const parts = [
      memory && this._trans.__('Memory %1', memory.text),
      left && this._trans.__('%1 left', left.text)
    ].filter(Boolean);
    if (!parts.length) {
      return <></>;
    }
    const title = [
      this._trans.__('Memory in use of the session’s limit, and how long the session has left. Opens Allotment’s panel.'),
      left?.why
    ];
    return (
      <button
        className={memory?.short || left?.near ? 'jp-AllotmentStatus-warning' : undefined}
        title={title.filter(Boolean).join(' ')}
        onClick={this._open}
      >
        {parts.join(' · ')}
      </button>
    );
  }
}
