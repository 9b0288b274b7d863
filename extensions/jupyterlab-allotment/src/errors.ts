/** Why a call did not succeed, as the service says it. */

import type { IProblem } from './answers';

export interface ICallProblem {
  what: string;
  why?: string;
  remedy?: string;
  code?: string;
  url?: string;
  problems?: IProblem[];
}

export class CallError extends Error {
  constructor(readonly details: ICallProblem) {
    super([details.what, details.why, details.remedy].filter(Boolean).join(' '));
    Object.setPrototypeOf(this, CallError.prototype);
  }
}

/** Return what a person is told of an error. */
export function told(error: unknown): ICallProblem {
  return error instanceof CallError ? error.details : { what: String(error) };
}
