/** The calls of the server's part: the only module that sends requests. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type {
  ICaptured,
  IChange,
  ICheck,
  IEvidence,
  IFormSchema,
  IProblem,
  IProposal,
  ISession,
  ITrial,
  IUse
} from './answers';
import { CallError } from './errors';

const PREFIX = 'jupyterlab-allotment';

export class Api {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  session(): Promise<ISession> {
    return this._call<ISession>('session');
  }

  async proposals(): Promise<IProposal[]> {
    return (await this._call<{ proposals: IProposal[] }>('proposals')).proposals;
  }

  schema(): Promise<IFormSchema> {
    return this._call<IFormSchema>('schema');
  }

  async check(change: IChange): Promise<ICheck> {
    // The lists that another version of the service does not send are empty.
    const lists = { problems: [], changes: [], access: [], requirements: [], automatic: [], others: [] };
    return { ...lists, ...(await this._call<ICheck>('checks', change)) };
  }

  propose(change: IChange, reason: string, evidence?: IEvidence): Promise<IProposal> {
    return this._call<IProposal>('proposals', { ...change, reason, ...(evidence ? { evidence } : {}) });
  }

  use(): Promise<IUse> {
    return this._call<IUse>('use');
  }

  captured(): Promise<ICaptured> {
    return this._call<ICaptured>('capture');
  }

  withdraw(id: string): Promise<IProposal> {
    return this._call<IProposal>(`proposals/${encodeURIComponent(id)}/withdrawal`, {});
  }

  trial(): Promise<ITrial> {
    return this._call<ITrial>('trials');
  }

  /** Try a proposal: the profile is named where it has several. */
  tryProposal(id: string, profile?: string): Promise<ITrial> {
    return this._call<ITrial>(`proposals/${encodeURIComponent(id)}/trial`, profile ? { profile } : {});
  }

  /** Try a change that nobody has proposed. */
  tryDraft(change: IChange): Promise<ITrial> {
    return this._call<ITrial>('trials', { profile: `${change.team}/${change.name}`, settings: change.profile });
  }

  endTrial(): Promise<ITrial> {
    return this._call<ITrial>('trials', undefined, 'DELETE');
  }

  private async _call<T>(path: string, body?: object, method = body ? 'POST' : 'GET'): Promise<T> {
    const url = URLExt.join(this._settings.baseUrl, PREFIX, path);
    const init: RequestInit = { method, ...(body ? { body: JSON.stringify(body) } : {}) };
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this._settings);
    } catch (error) {
      throw new CallError({ what: 'JupyterLab’s server does not answer.', why: String(error) });
    }
    let answer: any = null;
    try {
      answer = await response.json();
    } catch {
      // What it says is decided below.
    }
    if (response.ok && answer !== null && typeof answer === 'object') {
      return answer as T;
    }
    if (answer?.error?.what) {
      throw new CallError({ ...answer.error, problems: answer.error.problems as IProblem[] });
    }
    if (response.status === 404) {
      throw new CallError({
        what: 'The server’s part of Allotment’s panel is not there.',
        why: 'The package jupyterlab_allotment is not installed in the environment of the server, or not enabled.'
      });
    }
    throw new CallError({ what: `JupyterLab’s server answered ${response.status}.` });
  }
}
