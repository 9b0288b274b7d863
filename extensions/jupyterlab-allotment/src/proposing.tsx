/** The form for a proposal, which starts from the profile that runs. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { FormComponent, ReactWidget } from '@jupyterlab/ui-components';
import type { FieldTemplateProps } from '@rjsf/utils';
import { ADDITIONAL_PROPERTY_FLAG } from '@rjsf/utils';
import validator from '@rjsf/validator-ajv8';
import React from 'react';
import type { ICaptured, ICheck, IFormSchema, IProblem, IProposal, ISession } from './answers';
import { told, type ICallProblem } from './errors';
import { evidenceLines } from './evidence';
import {
  acceptable,
  changeOf,
  fieldErrors,
  formSchema,
  MAIN_FIELDS,
  MORE_FIELDS,
  neededGrants,
  proposable,
  type IDraft
} from './form';
import { allotmentIcon } from './icons';
import { pageAddress } from './links';
import type { AllotmentModel } from './model';
import { Problem } from './problem';
import { startsOf, Trial } from './trial';

/** How long after the last key a change is checked. */
const PAUSE = 600;

export class ProposingForm extends ReactWidget {
  constructor(
    private readonly _model: AllotmentModel,
    private readonly _session: ISession,
    private readonly _running: boolean,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Allotment');
    this.addClass('jp-AllotmentForm');
    this.title.label = this._running
      ? this._trans.__('Propose what I am running')
      : this._trans.__('Propose a change');
    this.title.icon = allotmentIcon;
    this.title.closable = true;
  }

  protected render(): JSX.Element {
    return <Loading model={this._model} session={this._session} running={this._running} trans={this._trans} />;
  }
}

interface IProps {
  model: AllotmentModel;
  session: ISession;
  /** Whether it starts from what this session used. */
  running: boolean;
  trans: TranslationBundle;
}

function Loading(props: IProps): JSX.Element {
  const [loaded, setLoaded] = React.useState<[IFormSchema, ICaptured | null] | null>(null);
  const [problem, setProblem] = React.useState<ICallProblem | null>(null);
  const api = props.model.api;
  const load = () => {
    setProblem(null);
    Promise.all([api.schema(), props.running ? api.captured() : null]).then(setLoaded, error => setProblem(told(error)));
  };
  React.useEffect(load, []);
  if (loaded) {
    return <Form {...props} schema={loaded[0]} captured={loaded[1]} />;
  }
  return (
    <div className="jp-Allotment-content" aria-live="polite">
      {problem ? <Problem problem={problem} trans={props.trans} /> : <p>{props.trans.__('Asking the service …')}</p>}
      {problem && (
        <button className="jp-mod-styled" onClick={load}>
          {props.trans.__('Try again')}
        </button>
      )}
    </div>
  );
}

function firstDraft(session: ISession, teams: string[], captured: ICaptured | null): IDraft {
  const [team, name] = session.profile.split('/');
  return {
    team: teams.includes(team) ? team : teams[0] ?? team,
    name,
    profile: captured?.profile ?? session.details?.settings ?? {},
    reason: captured?.reasons.join(' ') ?? '',
    until: {},
    accept: {}
  };
}

function Form(props: IProps & { schema: IFormSchema; captured: ICaptured | null }): JSX.Element {
  const { model, session, trans, schema, captured } = props;
  const teams = Object.keys(schema.teams);
  const original = session.details?.settings ?? {};
  const [draft, setDraft] = React.useState<IDraft>(() => firstDraft(session, teams, captured));
  const [done, setDone] = React.useState<IProposal | null>(null);
  const [sending, setSending] = React.useState(false);
  const [refused, setRefused] = React.useState<ICallProblem | null>(null);
  const team = schema.teams[draft.team];
  const change = changeOf(draft, original, team);
  const { check, checking, problem } = useCheck(model, change);
  const set = (more: Partial<IDraft>) => setDraft(before => ({ ...before, ...more }));

  const propose = async () => {
    setSending(true);
    setRefused(null);
    try {
      setDone(await model.api.propose(change, draft.reason, captured?.evidence));
      void model.refresh();
    } catch (error) {
      setRefused(told(error));
    }
    setSending(false);
  };

  if (done) {
    return <Done proposal={done} trans={trans} />;
  }
  return (
    <div className="jp-Allotment-columns">
      <div className="jp-Allotment-fields">
        <h1>{captured ? trans.__('Propose what I am running') : trans.__('Propose a change')}</h1>
        <p>{trans.__('It starts from %1, which runs here. Another name makes a new profile.', session.profile)}</p>
        {captured && <Evidence captured={captured} trans={trans} />}
        <Target draft={draft} schema={schema} set={set} trans={trans} />
        <Fields
          schema={schema}
          fields={MAIN_FIELDS}
          draft={draft}
          problems={check?.problems ?? []}
          set={set}
          trans={trans}
        />
        <Grants roles={neededGrants(draft.profile, team)} draft={draft} set={set} trans={trans} />
        <details>
          <summary>{trans.__('More: options, variables, lifetime …')}</summary>
          <Fields
            schema={schema}
            fields={MORE_FIELDS}
            draft={draft}
            problems={check?.problems ?? []}
            set={set}
            trans={trans}
          />
        </details>
      </div>
      <div className="jp-Allotment-result">
        <h2>{trans.__('What it means')}</h2>
        <div aria-live="polite" aria-busy={checking}>
          {problem && <Problem problem={problem} trans={trans} />}
          {check && <Verdict check={check} trans={trans} />}
          {!check && !problem && <p>{trans.__('Checking …')}</p>}
        </div>
        {check && <Acceptances check={check} draft={draft} set={set} trans={trans} />}
        <label className="jp-Allotment-field">
          {trans.__('Reason')}
          <textarea
            className="jp-mod-styled"
            rows={3}
            value={draft.reason}
            onChange={event => set({ reason: event.target.value })}
          />
          <span className="jp-Allotment-quiet">{trans.__('The people who decide read it.')}</span>
        </label>
        <button
          className="jp-mod-styled jp-mod-accept"
          disabled={checking || sending || !proposable(check, draft)}
          onClick={() => void propose()}
        >
          {trans.__('Propose')}
        </button>
        <div aria-live="polite">{refused && <Problem problem={refused} trans={trans} />}</div>
        <Trial
          model={model}
          proposal=""
          starts={[
            {
              label: trans.__('Try it before you propose it'),
              title: trans.__('Try it before you propose it'),
              start: api => api.tryDraft(change)
            }
          ]}
          disabled={checking || !check}
          trans={trans}
        />
        {check && <Meaning check={check} trans={trans} />}
        {check && <Others check={check} model={model} trans={trans} />}
      </div>
    </div>
  );
}

/** Check a change whenever it differs, a moment after the last key. Only the newest answer counts. */
function useCheck(
  model: AllotmentModel,
  change: ReturnType<typeof changeOf>
): { check: ICheck | null; checking: boolean; problem: ICallProblem | null } {
  const [check, setCheck] = React.useState<ICheck | null>(null);
  const [problem, setProblem] = React.useState<ICallProblem | null>(null);
  const [checked, setChecked] = React.useState('');
  const key = JSON.stringify(change);
  React.useEffect(() => {
    let current = true;
    const timer = window.setTimeout(() => {
      model.api
        .check(change)
        .then(
          answer => {
            if (current) {
              setCheck(answer);
              setProblem(null);
            }
          },
          error => {
            if (current) {
              setCheck(null);
              setProblem(told(error));
            }
          }
        )
        .finally(() => current && setChecked(key));
    }, PAUSE);
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [key]);
  return { check, checking: checked !== key, problem };
}

interface IDraftProps {
  draft: IDraft;
  set: (more: Partial<IDraft>) => void;
  trans: TranslationBundle;
}

function Target({ draft, schema, set, trans }: IDraftProps & { schema: IFormSchema }): JSX.Element {
  return (
    <>
      <label className="jp-Allotment-field">
        {trans.__('Team')}
        <select
          className="jp-mod-styled"
          value={draft.team}
          onChange={event => set({ team: event.target.value })}
        >
          {Object.entries(schema.teams).map(([name, team]) => (
            <option key={name} value={name}>
              {team.title}
            </option>
          ))}
        </select>
      </label>
      <label className="jp-Allotment-field">
        {trans.__('Name')}
        <input
          className="jp-mod-styled"
          value={draft.name}
          spellCheck={false}
          onChange={event => set({ name: event.target.value })}
        />
      </label>
    </>
  );
}

interface IFieldsProps {
  schema: IFormSchema;
  fields: string[];
  draft: IDraft;
  problems: IProblem[];
  set: (more: Partial<IDraft>) => void;
  trans: TranslationBundle;
}

// Among the templates of FormComponent, the one for a field has no label that belongs to its input.
const UI_SCHEMA: any = {
  'ui:globalOptions': { FieldTemplate },
  purpose: { 'ui:widget': 'textarea' },
  data_roles: { 'ui:widget': 'checkboxes' }
};

function Fields({ schema, fields, draft, problems, set, trans }: IFieldsProps): JSX.Element {
  const simple = React.useMemo(() => formSchema(schema.schema, fields), [schema, fields]);
  const errors = React.useMemo(() => fieldErrors(problems), [problems]);
  const shown = Object.fromEntries(Object.entries(draft.profile).filter(([name]) => fields.includes(name)));
  return (
    <FormComponent
      className="jp-Allotment-schema"
      schema={simple}
      uiSchema={UI_SCHEMA}
      validator={validator as any}
      formData={shown as any}
      formContext={{ trans }}
      idPrefix={`allotment-${fields[0]}`}
      extraErrors={errors}
      experimental_defaultFormStateBehavior={{ emptyObjectFields: 'skipDefaults' }}
      showErrorList={false}
      noValidate
      noHtml5Validate
      onChange={event => set({ profile: { ...draft.profile, ...(event.formData as object) } })}
    />
  );
}

/** A field with a label that belongs to its input, its description and its problems. */
function FieldTemplate(props: FieldTemplateProps): JSX.Element {
  const { id, label, schema, rawErrors, children, hidden, displayLabel, onKeyChange, onDropPropertyClick } = props;
  if (hidden) {
    return <div hidden>{children}</div>;
  }
  const additional = ADDITIONAL_PROPERTY_FLAG in schema;
  const trans: TranslationBundle = props.formContext.trans;
  const isValue = schema.type !== 'object' && schema.type !== 'array';
  const boxes = schema.type === 'array' && schema.uniqueItems;
  const labelled = displayLabel && label && !additional && isValue;
  return (
    <div
      className="jp-Allotment-schemaField"
      role={boxes ? 'group' : undefined}
      aria-labelledby={boxes ? `${id}-boxes` : undefined}
    >
      {labelled && <label htmlFor={id}>{label}</label>}
      {boxes && (
        <div id={`${id}-boxes`} className="jp-Allotment-label">
          {label}
        </div>
      )}
      {additional && (
        <div className="jp-Allotment-key">
          <input
            className="jp-mod-styled"
            aria-label={trans.__('Name of %1', label)}
            defaultValue={label}
            onBlur={event => onKeyChange(event.target.value)}
          />
          <button type="button" className="jp-Allotment-link" onClick={onDropPropertyClick(label)}>
            {trans.__('Remove')}
            <span className="jp-Allotment-hidden"> {label}</span>
          </button>
        </div>
      )}
      {additional && isValue && (
        <label htmlFor={id} className="jp-Allotment-hidden">
          {label}
        </label>
      )}
      {children}
      {(labelled || boxes) && schema.description && <div className="jp-Allotment-quiet">{schema.description}</div>}
      {(rawErrors ?? []).map(error => (
        <div key={error} className="jp-Allotment-fieldProblem">
          {error}
        </div>
      ))}
    </div>
  );
}

function Grants({ roles, draft, set, trans }: IDraftProps & { roles: string[] }): JSX.Element | null {
  if (!roles.length) {
    return null;
  }
  return (
    <fieldset>
      <legend>{trans.__('Data that the team has to be granted')}</legend>
      {roles.map(role => (
        <label key={role} className="jp-Allotment-field">
          {trans.__('Ask for %1 until', role)}
          <input
            type="date"
            className="jp-mod-styled"
            value={draft.until[role] ?? ''}
            onChange={event => set({ until: { ...draft.until, [role]: event.target.value } })}
          />
        </label>
      ))}
    </fieldset>
  );
}

interface ICheckProps {
  check: ICheck;
  trans: TranslationBundle;
}

function Verdict({ check, trans }: ICheckProps): JSX.Element {
  return (
    <>
      <p className="jp-Allotment-verdict">
        {check.ok ? trans.__('It can be proposed.') : trans.__('It cannot be proposed yet.')}
      </p>
      <ul className="jp-Allotment-list">
        {check.problems.map((problem, index) => (
          <li key={index} className={problem.level === 'advice' ? '' : 'jp-Allotment-fieldProblem'}>
            {problem.field && <code>{problem.field}</code>} {problem.message} {problem.remedy}
          </li>
        ))}
      </ul>
    </>
  );
}

function Acceptances({ check, draft, set, trans }: IDraftProps & ICheckProps): JSX.Element {
  const asked = [...new Set([...acceptable(check.problems), ...Object.keys(draft.accept)])];
  return (
    <>
      {asked.map(code => (
        <label key={code} className="jp-Allotment-field">
          {trans.__('Ask an administrator to accept %1, because', code)}
          <input
            className="jp-mod-styled"
            value={draft.accept[code] ?? ''}
            onChange={event => set({ accept: { ...draft.accept, [code]: event.target.value } })}
          />
        </label>
      ))}
    </>
  );
}

function Meaning({ check, trans }: ICheckProps): JSX.Element {
  return (
    <>
      <Lines title={trans.__('Who will have to approve')} lines={check.requirements.map(each => each.text)} />
      <Lines title={trans.__('Nobody has to approve')} lines={check.automatic} />
      <Lines title={trans.__('Cost')} lines={check.cost?.text ? [check.cost.text] : []} />
      <Lines title={trans.__('Access')} lines={check.access.map(each => each.text)} />
      <Lines title={trans.__('Changes')} lines={check.changes.map(each => each.text)} />
    </>
  );
}

/** What else is proposed for the same files. Who may try that is decided by the service, which says why not. */
function Others({ check, model, trans }: ICheckProps & { model: AllotmentModel }): JSX.Element | null {
  if (!check.others.length) {
    return null;
  }
  return (
    <>
      <h3>{trans.__('Also proposed for the same files')}</h3>
      <ul className="jp-Allotment-list">
        {check.others.map(each => (
          <li key={each.id}>
            {each.title} ({each.proposer})
            <Trial model={model} proposal={each.id} starts={startsOf(each.id, each.title, [], trans)} trans={trans} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Lines({ title, lines }: { title: string; lines: string[] }): JSX.Element | null {
  if (!lines.length) {
    return null;
  }
  return (
    <>
      <h3>{title}</h3>
      <ul>
        {lines.map((line, index) => (
          <li key={index}>{line}</li>
        ))}
      </ul>
    </>
  );
}

/** All that is sent of this session, before anything is sent. Not drawn again while somebody writes: it may be long. */
const Evidence = React.memo(({ captured, trans }: { captured: ICaptured; trans: TranslationBundle }): JSX.Element => {
  const { evidence, reasons, rule } = captured;
  const packages = evidence.packages ?? [];
  return (
    <section className="jp-Allotment-note">
      {reasons.length === 0 && <p>{trans.__('What it used suggests no other limits. Change what you need.')}</p>}
      <p>{trans.__('Reviewers see this as your claim about the session, which nobody has checked:')}</p>
      <dl className="jp-Allotment-long">
        {evidenceLines(evidence, trans).map(([name, value]) => (
          <React.Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
      </dl>
      <details>
        <summary>{trans._n('1 package that you added', '%1 packages that you added', packages.length)}</summary>
        <p className="jp-Allotment-quiet">{rule}</p>
        <ul className="jp-Allotment-packages">
          {packages.map((each, index) => (
            <li key={index}>
              {each.manager} {each.name} {each.version}
            </li>
          ))}
        </ul>
      </details>
    </section>
  );
});

function Done({ proposal, trans }: { proposal: IProposal; trans: TranslationBundle }): JSX.Element {
  const address = pageAddress(proposal.url);
  return (
    <div className="jp-Allotment-content" role="status">
      <h1>{trans.__('Proposed')}</h1>
      <p>
        {proposal.waits_for
          ? trans.__('“%1” waits for %2.', proposal.title, proposal.waits_for)
          : trans.__('“%1” is proposed.', proposal.title)}
      </p>
      <p>{trans.__('The panel shows how it goes on, and you are told when it is approved, rejected or live.')}</p>
      {address && (
        <a href={address} target="_blank" rel="noopener noreferrer">
          {trans.__('Open its page')}
        </a>
      )}
    </div>
  );
}
