/** The side panel. */

import type { CommandRegistry } from '@lumino/commands';
import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { copyIcon, ReactWidget, refreshIcon, UseSignal } from '@jupyterlab/ui-components';
import React from 'react';
import type { IDataRole, IOwnSession, IProfileDetails, IProposal, ISession } from './answers';
import { daysLeft, formatBytes } from './amounts';
import { Commands } from './commands';
import type { ICallProblem } from './errors';
import { allotmentIcon } from './icons';
import { homePage, pageAddress } from './links';
import type { AllotmentModel } from './model';
import { lastDay, SOON_DAYS } from './news';
import { Problem } from './problem';
import { startsOf, Trial } from './trial';
import { cpuGauge, killed, memoryGauge, ranOutText, timeLeft, type IGauge } from './use';

export class AllotmentPanel extends ReactWidget {
  constructor(
    private readonly _model: AllotmentModel,
    private readonly _commands: CommandRegistry,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = 'jupyterlab-allotment-panel';
    this.addClass('jp-Allotment');
    this.title.icon = allotmentIcon;
    this.title.caption = this._trans.__('Allotment: the profile that runs, and proposals');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this._trans.__('Allotment'));
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>
        {() => <PanelContent model={this._model} commands={this._commands} trans={this._trans} />}
      </UseSignal>
    );
  }
}

interface IPart {
  trans: TranslationBundle;
}

function PanelContent(props: IPart & { model: AllotmentModel; commands: CommandRegistry }): JSX.Element {
  const { model, commands, trans } = props;
  const session = model.session;
  return (
    <div className="jp-Allotment-content">
      <div className="jp-Allotment-bar">
        <h1>{trans.__('Allotment')}</h1>
        <button
          className="jp-Allotment-icon"
          title={trans.__('Ask the service again')}
          aria-label={trans.__('Ask the service again')}
          onClick={() => void model.refresh()}
        >
          <refreshIcon.react tag="span" />
        </button>
      </div>
      <div aria-live="polite">
        {model.problem && <Problem problem={model.problem} trans={trans} />}
        {!session && !model.problem && <p>{trans.__('Asking the service …')}</p>}
      </div>
      {session && !session.inside && (
        <p>
          {session.trial
            ? trans.__('This is a trial of %1. It may not ask the service, so there is nothing more to show here.', session.trial)
            : trans.__('This server was not started by Allotment, so there is nothing to show here.')}
        </p>
      )}
      {session?.details && <Profile session={session} details={session.details} trans={trans} />}
      {session?.inside && session.details === null && (
        <p className="jp-Allotment-note">{trans.__('The profile %1 does not exist any more.', session.profile)}</p>
      )}
      {session?.own && <Use model={model} session={session} own={session.own} commands={commands} trans={trans} />}
      {session?.inside && session.details && (
        <div className="jp-Allotment-actions">
          <button className="jp-mod-styled jp-mod-accept" onClick={() => void commands.execute(Commands.propose)}>
            {trans.__('Propose a change')}
          </button>
          <button className="jp-mod-styled" onClick={() => void commands.execute(Commands.proposeRunning)}>
            {trans.__('Propose what I am running')}
          </button>
        </div>
      )}
      {session?.data && <Data roles={session.data} trans={trans} />}
      {model.proposals && <Proposals model={model} proposals={model.proposals} trans={trans} />}
    </div>
  );
}

function Profile({ session, details, trans }: IPart & { session: ISession; details: IProfileDetails }): JSX.Element {
  const address = pageAddress(details.url);
  const restart = pageAddress(session.own?.restart) ?? homePage(session.hub);
  return (
    <section aria-labelledby="jp-Allotment-profile">
      <h2 id="jp-Allotment-profile">
        {address ? (
          <a href={address} target="_blank" rel="noopener noreferrer">
            {details.title}
          </a>
        ) : (
          details.title
        )}
      </h2>
      <p className="jp-Allotment-id">
        {session.profile}
        {session.server && <> · {trans.__('session “%1”', session.server)}</>}
      </p>
      {session.own?.newer && (
        <p className="jp-Allotment-note" role="status">
          {trans.__('A newer revision of this profile exists.')}{' '}
          {restart && <a href={restart}>{trans.__('Restart into it')}</a>}{' '}
          {trans.__('This stops the session: what notebooks and terminals hold in memory is lost, files stay. You are asked first.')}
        </p>
      )}
      {details.refusal && (
        <p className="jp-Allotment-note">
          {trans.__('It cannot be started again:')} {details.refusal.why} {details.refusal.remedy}
        </p>
      )}
      {details.description && <p>{details.description}</p>}
      <dl>
        <dt>{trans.__('Purpose')}</dt>
        <dd>{details.purpose}</dd>
        <dt>{trans.__('Owner')}</dt>
        <dd>{details.owners}</dd>
        <dt>{trans.__('Size')}</dt>
        <dd>
          {trans.__('%1 CPU, %2 memory', details.cpu, details.memory)}
          {details.gpu > 0 && trans.__(', %1 GPU', details.gpu)}
        </dd>
        <dt>{trans.__('Image')}</dt>
        <dd className="jp-Allotment-long">{details.image}</dd>
        {details.revision && (
          <>
            <dt>{trans.__('Revision')}</dt>
            <dd>
              <code>{details.revision.slice(0, 10)}</code>
              {details.proposed_by && <>, {trans.__('proposed by %1', details.proposed_by)}</>}
              {details.approved_by.length > 0 && <>, {trans.__('approved by %1', details.approved_by.join(', '))}</>}
              {details.reason && <>: {details.reason}</>}
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}

interface IUseProps extends IPart {
  model: AllotmentModel;
  session: ISession;
  own: IOwnSession;
  commands: CommandRegistry;
}

function Use({ model, session, own, commands, trans }: IUseProps): JSX.Element {
  const left = timeLeft(session, Date.now());
  const out = killed(model.use) > 0;
  const memory = memoryGauge(model.use, own);
  const larger = own.larger[0];
  const address = pageAddress(larger?.url);
  return (
    <section aria-labelledby="jp-Allotment-use">
      <h2 id="jp-Allotment-use">{trans.__('This session')}</h2>
      <Gauge label={trans.__('Memory')} gauge={memory} />
      <Gauge label={trans.__('CPU')} gauge={cpuGauge(model.use, own)} />
      {!memory && model.use?.unknown && <p className="jp-Allotment-quiet">{model.use.unknown}</p>}
      {(out || memory?.short) && (
        <p className="jp-Allotment-note" role="status">
          {out ? ranOutText(model.use, trans) : trans.__('Memory is short.')}{' '}
          {larger && address ? (
            <a href={address}>{trans.__('Stop it and start %1 with %2', larger.title, formatBytes(larger.memory))}</a>
          ) : (
            <button className="jp-Allotment-link" onClick={() => void commands.execute(Commands.proposeRunning)}>
              {trans.__('Propose a larger limit')}
            </button>
          )}
        </p>
      )}
      {left && (
        <p className={left.near ? 'jp-Allotment-soon' : undefined}>
          {trans.__('It is stopped in %1:', left.text)} {left.why}
        </p>
      )}
    </section>
  );
}

function Gauge({ label, gauge }: { label: string; gauge: IGauge | null }): JSX.Element | null {
  if (!gauge) {
    return null;
  }
  const percent = Math.round((gauge.share ?? 0) * 100);
  return (
    <div className="jp-Allotment-gauge">
      <span>{label}</span> <span>{gauge.text}</span>
      {gauge.share !== null && (
        <div role="meter" aria-label={label} aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100} aria-valuetext={gauge.text}>
          <div className={gauge.short ? 'jp-mod-short' : undefined} style={{ width: `${percent}%` }} />
        </div>
      )}
    </div>
  );
}

function Data({ roles, trans }: IPart & { roles: IDataRole[] }): JSX.Element {
  return (
    <section aria-labelledby="jp-Allotment-data">
      <h2 id="jp-Allotment-data">{trans.__('Data')}</h2>
      {roles.length === 0 && <p>{trans.__('This session reaches no data roles.')}</p>}
      <ul className="jp-Allotment-list">
        {roles.map(role => (
          <li key={role.name}>
            <span title={role.title}>{role.name}</span> <Until role={role} trans={trans} />
            {role.path && (
              <button
                className="jp-Allotment-icon"
                title={trans.__('Copy the path %1', role.path)}
                aria-label={trans.__('Copy the path of %1', role.name)}
                onClick={() => Clipboard.copyToSystem(role.path)}
              >
                <copyIcon.react tag="span" />
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Until({ role, trans }: IPart & { role: IDataRole }): JSX.Element | null {
  const day = lastDay(role);
  const days = daysLeft(day, Date.now());
  if (role.state || (days !== null && days < 0)) {
    return <span className="jp-Allotment-ended">{trans.__('access has ended')}</span>;
  }
  if (day === null || days === null) {
    return null;
  }
  return (
    <span className={days <= SOON_DAYS ? 'jp-Allotment-soon' : 'jp-Allotment-quiet'}>
      {days <= SOON_DAYS ? trans._n('until %2, 1 day left', 'until %2, %1 days left', days, day) : trans.__('until %1', day)}
    </span>
  );
}

function Proposals(props: IPart & { model: AllotmentModel; proposals: IProposal[] }): JSX.Element {
  const { model, proposals, trans } = props;
  const [problem, setProblem] = React.useState<ICallProblem | null>(null);
  const withdraw = (id: string) => {
    setProblem(null);
    model.withdraw(id).catch(error => setProblem(error.details ?? { what: String(error) }));
  };
  return (
    <section aria-labelledby="jp-Allotment-proposals">
      <h2 id="jp-Allotment-proposals">{trans.__('My proposals')}</h2>
      <div aria-live="polite">{problem && <Problem problem={problem} trans={trans} />}</div>
      {proposals.length === 0 && <p>{trans.__('You have proposed nothing yet.')}</p>}
      {isTriedDraft(model) && (
        <>
          <p>{trans.__('A draft that you try:')}</p>
          <Trial model={model} proposal="" starts={[]} trans={trans} />
        </>
      )}
      <ul className="jp-Allotment-list">
        {proposals.map(each => (
          <li key={each.id} data-state={each.state}>
            <Proposal proposal={each} trans={trans} />
            {!isOver(each) && (each.profiles ?? []).length > 0 && (
              <Trial
                model={model}
                proposal={each.id}
                starts={startsOf(each.id, each.title, each.profiles ?? [], trans)}
                trans={trans}
              />
            )}
            {each.withdrawable && (
              <button
                className="jp-Allotment-link"
                aria-label={trans.__('Withdraw %1', each.title)}
                onClick={() => withdraw(each.id)}
              >
                {trans.__('Withdraw')}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function isTriedDraft(model: AllotmentModel): boolean {
  const trial = model.trial;
  return trial !== null && trial.proposal === '' && (trial.state === 'starting' || trial.state === 'running');
}

function isOver(proposal: IProposal): boolean {
  return ['live', 'merged', 'rejected', 'withdrawn'].includes(proposal.state);
}

function Proposal({ proposal, trans }: IPart & { proposal: IProposal }): JSX.Element {
  const address = pageAddress(proposal.url);
  return (
    <>
      {address ? (
        <a href={address} target="_blank" rel="noopener noreferrer">
          {proposal.title}
        </a>
      ) : (
        <span>{proposal.title}</span>
      )}{' '}
      <span className="jp-Allotment-state">{stateText(proposal.state, trans)}</span>
      {!isOver(proposal) && proposal.waits_for && (
        <span className="jp-Allotment-quiet"> {trans.__('waits for %1', proposal.waits_for)}</span>
      )}
    </>
  );
}

/** Return a proposal's state in words. */
export function stateText(state: string, trans: TranslationBundle): string {
  const texts: { [state: string]: string } = {
    open: trans.__('open'),
    approved: trans.__('approved'),
    conflict: trans.__('in conflict with main'),
    broken: trans.__('has problems'),
    merged: trans.__('merged'),
    live: trans.__('live'),
    rejected: trans.__('rejected'),
    withdrawn: trans.__('withdrawn')
  };
  return texts[state] ?? state;
}
