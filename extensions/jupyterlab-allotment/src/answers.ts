/** What the server's part answers. */

import type { AllotmentProfile as Profile } from './profile';

export interface IDataRole {
  name: string;
  /** Where its files are in this session; empty where it has none. */
  path: string;
  until: string | null;
  review_by: string | null;
  ended: boolean;
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

export interface ISession {
  /** Whether Allotment started this server; nothing else is there if not. */
  inside: boolean;
  user: string;
  server: string;
  hub: string;
  profile: string;
  team: string;
  /** When this server started, in ISO 8601. */
  started: string;
  data_roles: string[];
  details?: IProfileDetails;
  newer?: boolean;
  data?: IDataRole[];
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
