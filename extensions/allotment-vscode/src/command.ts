/** Runs `allotment-session`, which has the token and all logic; here are only its arguments and its answers. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const LARGEST_ANSWER = 32 * 1024 * 1024;

/** Why there is no answer. */
export type Trouble = 'missing' | 'no-session' | 'refused' | 'unreachable';

/** What the command says, or what keeps it from running. */
export class CommandError extends Error {
  constructor(
    readonly trouble: Trouble,
    what: string,
    readonly why = '',
    readonly remedy = '',
    readonly url = ''
  ) {
    super(what);
  }

  /** What, why and what helps, in one text. */
  get whole(): string {
    return [this.message, this.why, this.remedy].filter(Boolean).join(' ');
  }
}

export interface RunOptions {
  /** What it reads from standard input. */
  input?: string;
  seconds?: number;
  signal?: AbortSignal;
}

/** The document that the command prints with `--json`. */
export type Answer = { [name: string]: any };

/**
 * Return an environment in which programs are also found where they are for the server of VS Code, which the hub started:
 * it gives extensions the PATH of a login shell, and on Debian that one lacks the folder of allotment-session.
 */
export function withServerPath(environment: NodeJS.ProcessEnv, parent: number, proc = '/proc'): NodeJS.ProcessEnv {
  try {
    const variables = readFileSync(join(proc, String(parent), 'environ'), 'utf8').split('\0');
    const path = variables.find(each => each.startsWith('PATH='))?.slice('PATH='.length);
    return { ...environment, PATH: [environment.PATH, path].filter(Boolean).join(delimiter) };
  } catch {
    return environment;
  }
}

export class SessionCommand {
  constructor(
    private readonly _path: () => string,
    private readonly _environment: NodeJS.ProcessEnv
  ) {}

  /** Where the service is, as the session knows it. */
  get service(): string | undefined {
    return this._environment.ALLOTMENT_URL;
  }

  /** The profile that runs. */
  get profile(): string {
    return this._environment.ALLOTMENT_PROFILE ?? '';
  }

  /** Return the answer as JSON. Throw `CommandError`. */
  async json(words: string[], options: RunOptions = {}): Promise<Answer> {
    const { status, output, errors } = await this._run([...words, '--json'], options);
    const answer = parsed(output);
    if (answer?.error) {
      throw failed(status, answer.error);
    }
    // A problem in a file is an answer, too.
    if (!answer || status > 1) {
      throw new CommandError('unreachable', lastLine(errors) || `${this._path()} ended with code ${status}.`);
    }
    return answer;
  }

  /** Return what the command prints for people. Throw `CommandError`. */
  async text(words: string[], options: RunOptions = {}): Promise<string> {
    const { status, output, errors } = await this._run(words, options);
    if (status) {
      throw new CommandError(troubleOf(status), errors.trim() || `${this._path()} ended with code ${status}.`);
    }
    return output;
  }

  /** Run it with arguments: there is no shell, and no folder of the workspace in which it runs. */
  private _run(words: string[], options: RunOptions): Promise<{ status: number; output: string; errors: string }> {
    const { input, seconds = 60, signal } = options;
    return new Promise((resolve, reject) => {
      const process = execFile(
        this._path(),
        words,
        {
          cwd: homedir(),
          env: { ...this._environment, PYTHONIOENCODING: 'utf-8' },
          killSignal: 'SIGKILL',
          maxBuffer: LARGEST_ANSWER,
          shell: false,
          signal,
          timeout: seconds * 1000
        },
        (error, output, errors) => {
          const code: unknown = error?.code;
          if (typeof code === 'number' || !error) {
            resolve({ status: typeof code === 'number' ? code : 0, output, errors });
          } else if (code === 'ENOENT' || code === 'EACCES') {
            const remedy = 'Install allotment-session, or name it in the setting allotment.command.';
            reject(new CommandError('missing', `The command ${this._path()} is not there.`, '', remedy));
          } else if (error.killed) {
            reject(new CommandError('unreachable', `The service did not answer within ${seconds} s.`));
          } else {
            reject(new CommandError('unreachable', error.message.split('\n')[0]));
          }
        }
      );
      // It may end without reading.
      process.stdin?.on('error', () => undefined);
      process.stdin?.end(input ?? '');
    });
  }
}

function parsed(text: string): Answer | null {
  try {
    const answer: unknown = JSON.parse(text);
    return answer && typeof answer === 'object' && !Array.isArray(answer) ? answer : null;
  } catch {
    return null;
  }
}

function failed(status: number, error: Answer): CommandError {
  const said = (name: string) => (typeof error[name] === 'string' ? (error[name] as string) : '');
  const problems = (Array.isArray(error.problems) ? error.problems : []).map(each => each?.message).filter(Boolean);
  const why = [said('why'), ...problems].filter(Boolean).join(' ');
  return new CommandError(troubleOf(status), said('what'), why, said('remedy'), said('url'));
}

/** Return what an exit code means, as the README of allotment-session has it. */
function troubleOf(status: number): Trouble {
  return status === 2 ? 'no-session' : status === 4 ? 'unreachable' : 'refused';
}

function lastLine(text: string): string {
  return text.trim().split('\n').pop() ?? '';
}
