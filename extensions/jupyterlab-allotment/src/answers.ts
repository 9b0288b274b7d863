/** What the server's part answers. */

import type { AllotmentProfile as Profile } from './profile';

export interface IDataRole {
  name: string;
  title?: string;
  /** Where its files are in this session; empty where it has none. */
  path: string;
  until: string | null;
  review_by: string | null;
  /** Why the grant does not hold now; empty if it does. */
  state: string;
}

export interface ICost {
  text?: string;
  hour?: number;
  currency?: string;
}

export interface IRefused {
  what?: string;
  why?: string;
  remedy?: string;
  decides?: string;
  code?: string;
}

/** A profile as the service shows it. */
export interface IProfileDetails {
  id: string;
  title: string;
  description: string;
  purpose: string;
  app: string;
  image: string;
  cpu: string;
  memory: string;
  gpu: number;
  owners: string;
  revision: string | null;
  reason: string;
  proposed_by: string;
  approved_by: string[];
  startable: boolean;
  refusal: IRefused | null;
  warnings: string[];
  visibility: string;
  successors: string[];
  retired_from: string | null;
  review_by: string | null;
  settings: Partial<Profile>;
  /** Null for a reader who may not see all values. */
  content: string | null;
  url: string;
}

/** A moment at which the session is stopped. */
export interface ISessionEnd {
  kind: string;
  at: string;
  text: string;
}

/** A size with more memory that the user could start instead. */
export interface ILargerSize {
  profile: string;
  title: string;
  options: { [name: string]: string };
  memory: number;
  /** The hub's page that restarts the session with it, after asking. */
  url: string;
}

/** What the service says of this session. */
export interface IOwnSession {
  title: string;
  revision: string;
  /** Whether the profile's file is another one now. */
  newer: boolean;
  options: { [name: string]: string };
  cpu: number;
  memory: number;
  gpu: number;
  ends: ISessionEnd[];
  larger: ILargerSize[];
  /** The hub's page that restarts the session, after asking; missing in the answers of an older service. */
  restart?: string;
}

export interface ISession {
  /** Whether Allotment started this server; nothing else is there if not. */
  inside: boolean;
  user: string;
  server: string;
  hub: string;
  profile: string;
  /** What this session is a trial of; empty if it is none. A trial may not ask the service, so it is not inside. */
  trial: string;
  own?: IOwnSession;
  /** Null where the profile is gone. */
  details?: IProfileDetails | null;
  data?: IDataRole[];
}

/** What this session uses; null or missing what is not known. */
export interface IUse {
  memory_now?: number | null;
  memory_peak?: number | null;
  memory_limit?: number | null;
  cpu_now?: number | null;
  cpu_typical?: number | null;
  /** How often the system ended a process for lack of memory; missing where it does not count that, as on a laptop. */
  out_of_memory?: number | null;
  /** How many kernels were killed, whatever the reason. */
  kernels_killed?: number;
  unknown: string;
}

/** A draft for what runs. */
export interface ICaptured {
  profile: Partial<Profile>;
  /** Why other limits are drafted; empty where nothing suggests any. */
  reasons: string[];
  /** As it is sent with the proposal. */
  evidence: IEvidence;
  rule: string;
}

export interface IEvidence {
  profile?: string;
  options?: { [name: string]: string };
  image?: string;
  digest?: string;
  use?: { [name: string]: number | string };
  packages?: { manager: string; name: string; version: string }[];
  packages_left_out?: number;
  data_roles?: string[];
}

export interface IProposal {
  id: string;
  state: string;
  title: string;
  reason: string;
  waits_for: string;
  since: string;
  url: string;
  head: string;
  withdrawable?: boolean;
  profiles?: string[];
  approved_by?: string[];
}

/** The user's trial: a session of what is proposed, before it is merged. */
export interface ITrial {
  /** `ended` also where it did not start. */
  state: 'none' | 'starting' | 'running' | 'ended';
  /** The id of the proposal; empty for a draft. */
  proposal: string;
  head: string;
  profile: string;
  /** After how many seconds it answered; null while it has not. */
  started_in: number | null;
  /** Why it ended, or has not started. */
  why: string;
  code: string;
  /** Its address, once it runs. */
  url: string;
}

export interface IProblem {
  path: string;
  line: number | null;
  field: string;
  code: string;
  level: 'hard' | 'soft' | 'advice';
  message: string;
  remedy: string;
}

/** What a check of a change says. */
export interface ICheck {
  ok: boolean;
  problems: IProblem[];
  changes: { text: string }[];
  access: { text: string }[];
  requirements: { text: string }[];
  automatic: string[];
  others: { id: string; title: string; proposer: string }[];
  cost: ICost | null;
}

/** What a proposal is checked and proposed with. */
export interface IChange {
  team: string;
  name: string;
  profile: Partial<Profile>;
  grants: { data_role: string; until: string; reason: string }[];
  accept: { code: string; reason: string }[];
}

export interface ITeamBounds {
  title: string;
  data_roles: {
    granted: { name: string; title: string }[];
    askable: { name: string; title: string; owner: string }[];
  };
}

export interface IFormSchema {
  schema: ISchema;
  teams: { [name: string]: ITeamBounds };
}

/** A part of a JSON Schema. */
export interface ISchema {
  [key: string]: any;
}
