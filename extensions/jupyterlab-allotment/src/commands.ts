/** The names of the commands. */
export namespace Commands {
  export const open = 'jupyterlab-allotment:open';
  export const propose = 'jupyterlab-allotment:propose';
  export const proposeRunning = 'jupyterlab-allotment:propose-running';
  export const refresh = 'jupyterlab-allotment:refresh';
  export const hub = 'jupyterlab-allotment:hub';
}
