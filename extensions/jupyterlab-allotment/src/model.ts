/** What the panel, the item in the status bar and the notifications show: asked for again and again, slower after errors. */

import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';
import type { Api } from './api';
import type { IProposal, ISession, ITrial, IUse } from './answers';
import { told, type ICallProblem } from './errors';
import { accessNews, proposalNews, trialNews, type IAccessNews, type IProposalNews } from './news';
import { ranOut } from './use';

/** The longest time between two calls, after many errors. */
const SLOWEST = 10 * 60 * 1000;
/** The time between two looks at memory and CPU, which ask the server of the session alone. */
const USE = 5000;
/** The time between two looks at a trial that starts. */
const TRIAL = 2000;

export class AllotmentModel {
  constructor(readonly api: Api) {
    const frequency = { interval: 30000, backoff: true, max: SLOWEST };
    this._poll = new Poll({
      auto: false,
      name: 'jupyterlab-allotment',
      factory: () => this._look(),
      frequency,
      standby: 'when-hidden'
    });
    this._trialPoll = new Poll({
      auto: false,
      name: 'jupyterlab-allotment:trial',
      factory: () => this._lookAtTrial(),
      frequency: { interval: TRIAL, backoff: true, max: SLOWEST }
    });
    this._usePoll = new Poll({
      auto: false,
      name: 'jupyterlab-allotment:use',
      factory: () => this._lookAtUse(),
      frequency: { interval: USE, backoff: true, max: SLOWEST },
      standby: 'when-hidden'
    });
  }

  /** The trial that runs, or the last one; null where none is known. */
  get trial(): ITrial | null {
    return this._trial;
  }

  get session(): ISession | null {
    return this._session;
  }

  /** What the session uses; null before the first answer. */
  get use(): IUse | null {
    return this._use;
  }

  /** The own proposals, the newest first; null before the first answer. */
  get proposals(): IProposal[] | null {
    return this._proposals;
  }

  /** Why the last call did not succeed; null if it did. */
  get problem(): ICallProblem | null {
    return this._problem;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get proposalNews(): ISignal<this, IProposalNews> {
    return this._proposalNews;
  }

  /** Emitted when a trial runs, or did not start. */
  get trialNews(): ISignal<this, ITrial> {
    return this._trialNews;
  }

  get accessNews(): ISignal<this, IAccessNews> {
    return this._accessNews;
  }

  /** Emitted when a process was killed, as the system does when memory runs out. */
  get outOfMemory(): ISignal<this, void> {
    return this._outOfMemory;
  }

  /** Set how often the service is asked. */
  setInterval(seconds: number): void {
    this._poll.frequency = { ...this._poll.frequency, interval: seconds * 1000 };
  }

  /** Begin to ask. */
  async start(): Promise<void> {
    await this._poll.start();
  }

  /** Ask now. */
  async refresh(): Promise<void> {
    await this._poll.refresh();
    await this._poll.tick;
  }

  async withdraw(id: string): Promise<void> {
    await this.api.withdraw(id);
    await this.refresh();
  }

  /** Start a trial or end it, and look at it until it runs. */
  async onTrial(call: (api: Api) => Promise<ITrial>): Promise<void> {
    this._setTrial(await call(this.api));
  }

  dispose(): void {
    this._poll.dispose();
    this._trialPoll.dispose();
    this._usePoll.dispose();
    Signal.clearData(this);
  }

  private async _look(): Promise<void> {
    try {
      this._session = await this.api.session();
      if (!this._session.inside) {
        // Nothing will change: this server was started by somebody else.
        void this._poll.stop();
        void this._usePoll.stop();
        this._changed.emit();
        return;
      }
      if (!this._isLooking) {
        this._isLooking = true;
        void this._usePoll.start();
      }
      const proposals = await this.api.proposals();
      await this._lookAtTrial().catch(() => undefined); // a hub that does not answer keeps nothing else from being shown
      const news = proposalNews(this._proposals, proposals);
      this._proposals = proposals;
      this._problem = null;
      this._changed.emit();
      news.forEach(each => this._proposalNews.emit(each));
      this._tellAccess();
    } catch (error) {
      this._problem = told(error);
      this._changed.emit();
      throw error; // the next call comes later
    }
  }

  private async _lookAtTrial(): Promise<void> {
    this._setTrial(await this.api.trial());
  }

  private _setTrial(trial: ITrial): void {
    const news = trialNews(this._trial, trial);
    this._trial = trial;
    this._changed.emit();
    if (news) {
      this._trialNews.emit(trial);
    }
    void (trial.state === 'starting' ? this._trialPoll.start() : this._trialPoll.stop());
  }

  private async _lookAtUse(): Promise<void> {
    const use = await this.api.use();
    const before = this._use;
    this._use = use;
    this._changed.emit();
    if (ranOut(before, use)) {
      this._outOfMemory.emit();
    }
  }

  private _tellAccess(): void {
    for (const news of accessNews(this._session?.data ?? [], Date.now())) {
      if (!this._toldAccess.has(news.key)) {
        this._toldAccess.add(news.key);
        this._accessNews.emit(news);
      }
    }
  }

  private _poll: Poll;
  private _usePoll: Poll;
  private _trialPoll: Poll;
  private _trial: ITrial | null = null;
  private _trialNews = new Signal<this, ITrial>(this);
  private _isLooking = false;
  private _use: IUse | null = null;
  private _outOfMemory = new Signal<this, void>(this);
  private _session: ISession | null = null;
  private _proposals: IProposal[] | null = null;
  private _problem: ICallProblem | null = null;
  private _toldAccess = new Set<string>();
  private _changed = new Signal<this, void>(this);
  private _proposalNews = new Signal<this, IProposalNews>(this);
  private _accessNews = new Signal<this, IAccessNews>(this);
}
