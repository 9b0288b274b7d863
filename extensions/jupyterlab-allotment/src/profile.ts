// Made from profiles/schemas/profile.json by `jlpm types`; do not edit.

/**
 * Title on the start page.
 */
export type Title = string
/**
 * Description below the title, one line.
 */
export type Description = string
/**
 * What the profile is used for.
 */
export type Purpose = string
/**
 * App that the session opens: `jupyterlab`, `rstudio`, `vscode`, or a tool of the policy.
 */
export type App = string
/**
 * Container image, preferably with a digest.
 */
export type Image = string
/**
 * CPUs that are reserved for the session.
 */
export type Guarantee = number
/**
 * CPUs that the session can use at most.
 */
export type Limit = number
/**
 * Memory that is reserved for the session.
 */
export type Guarantee1 = string
/**
 * Memory that the session can use at most. When it is used up, a process of the session is ended.
 */
export type Limit1 = string
/**
 * Number of GPUs.
 */
export type Gpu = number
/**
 * Kind of GPU, one of the policy.
 */
export type GpuKind = (string | null)
/**
 * Node pool of the policy in which the session runs.
 */
export type NodePool = (string | null)
/**
 * Size of the home folder. If not set, the default of the platform.
 */
export type Home = (string | null)
/**
 * Access to the shared folder of the team.
 */
export type Team = ("none" | "read-only" | "read-write")
/**
 * URL of the repository. The policy lists the allowed ones.
 */
export type Repository = string
/**
 * Branch, tag or commit. If not set, the default branch of the repository.
 */
export type Ref = (string | null)
/**
 * Folder to clone into, in the home folder.
 */
export type Folder = string
/**
 * Title on the start page.
 */
export type Title1 = string
/**
 * Description on the start page, one line.
 */
export type Description1 = string
/**
 * Choice that is selected if the user selects none.
 */
export type Default = string
/**
 * Title on the start page.
 */
export type Title2 = string
/**
 * Description on the start page, one line.
 */
export type Description2 = string
/**
 * CPUs that are reserved for the session.
 */
export type Guarantee2 = (number | null)
/**
 * CPUs that the session can use at most.
 */
export type Limit2 = (number | null)
/**
 * Memory that is reserved for the session.
 */
export type Guarantee3 = (string | null)
/**
 * Memory that the session can use at most.
 */
export type Limit3 = (string | null)
/**
 * Number of GPUs.
 */
export type Gpu1 = (number | null)
/**
 * Kind of GPU.
 */
export type GpuKind1 = (string | null)
/**
 * Image, instead of the profile's.
 */
export type Image1 = (string | null)
/**
 * App, instead of the profile's.
 */
export type App1 = (string | null)
/**
 * Node pool, instead of the profile's.
 */
export type NodePool1 = (string | null)
/**
 * Groups of the team that may use the choice. If empty, everyone who may start the profile.
 * 
 * @maxItems 50
 */
export type Only = string[]
/**
 * Git repository with the source of the image.
 */
export type Repository1 = string
/**
 * Commit that the image was built from.
 */
export type Commit = string
/**
 * Data that the session can use. The team needs a grant for each data role.
 * 
 * @maxItems 100
 */
export type DataRoles = string[]
/**
 * Time without activity after which the session is stopped.
 */
export type Idle = string
/**
 * Time after the start at which the session is stopped.
 */
export type Total = string
/**
 * Groups of the team that may start the profile. If empty, the whole team.
 * 
 * @maxItems 50
 */
export type Only1 = string[]
/**
 * Full names of groups, as JupyterHub has them.
 * 
 * @maxItems 100
 */
export type Groups = string[]
/**
 * User names, as JupyterHub has them.
 * 
 * @maxItems 200
 */
export type Users = string[]
/**
 * `draft` hides the profile from all but leads, deputies and maintainers. `deprecated` needs a `successor`.
 */
export type Visibility = ("draft" | "active" | "deprecated")
/**
 * Profile that replaces this one: `team/name`.
 */
export type Successor = (string | null)
/**
 * First day on which the profile no longer starts. Its successor is offered instead.
 */
export type RetiredFrom = (string | null)
/**
 * Why the problem is accepted.
 */
export type Reason = string
/**
 * Last day of the acceptance.
 */
export type Until = (string | null)
/**
 * Last day on which the profile is offered, unless it has been reviewed and the date moved.
 */
export type ReviewBy = (string | null)

/**
 * A kind of session that a team offers: `teams/<team>/profiles/<name>.yaml`.
 */
export interface AllotmentProfile {
title: Title
description?: Description
purpose: Purpose
app: App
image: Image
resources: Resources
node_pool?: NodePool
storage?: Storage
/**
 * A git repository that is cloned to the home folder when the session starts.
 */
checkout?: (Checkout | null)
options?: Options
environment?: Environment1
/**
 * Source code of the image.
 */
image_source?: (ImageSource | null)
data_roles?: DataRoles
lifetime?: Lifetime
only?: Only1
maintainers?: People
visibility?: Visibility
successor?: Successor
retired_from?: RetiredFrom
accepted?: Accepted
review_by?: ReviewBy
}
/**
 * Size of the session.
 */
export interface Resources {
cpu: CpuRange
memory: MemoryRange
gpu?: Gpu
gpu_kind?: GpuKind
}
/**
 * CPUs.
 */
export interface CpuRange {
guarantee?: Guarantee
limit: Limit
}
/**
 * Memory.
 */
export interface MemoryRange {
guarantee?: Guarantee1
limit: Limit1
}
/**
 * Home folder, and shared folder of the team.
 */
export interface Storage {
home?: Home
team?: Team
}
/**
 * A git repository that is cloned when the session starts, unless the folder exists already.
 */
export interface Checkout {
repository: Repository
ref?: Ref
folder: Folder
}
/**
 * Questions on the start page.
 */
export interface Options {
[k: string]: Option
}
/**
 * A question on the start page.
 * 
 * This interface was referenced by `Options`'s JSON-Schema definition
 * via the `patternProperty` "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$".
 */
export interface Option {
title: Title1
description?: Description1
default: Default
choices: Choices
}
/**
 * Choices, in the order of the start page.
 */
export interface Choices {
[k: string]: Choice
}
/**
 * A choice of an option, and the values of the profile that it replaces.
 * 
 * This interface was referenced by `Choices`'s JSON-Schema definition
 * via the `patternProperty` "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$".
 */
export interface Choice {
title: Title2
description?: Description2
resources?: ResourcesOverride
image?: Image1
environment?: Environment
app?: App1
node_pool?: NodePool1
only?: Only
}
/**
 * Size, instead of the profile's. Only the values that differ are needed.
 */
export interface ResourcesOverride {
cpu?: CpuOverride
memory?: MemoryOverride
gpu?: Gpu1
gpu_kind?: GpuKind1
}
/**
 * CPUs.
 */
export interface CpuOverride {
guarantee?: Guarantee2
limit?: Limit2
}
/**
 * Memory.
 */
export interface MemoryOverride {
guarantee?: Guarantee3
limit?: Limit3
}
/**
 * Environment variables to add or replace.
 */
export interface Environment {
[k: string]: string
}
/**
 * Environment variables. Secrets are not allowed.
 */
export interface Environment1 {
[k: string]: string
}
/**
 * Source code of the image.
 */
export interface ImageSource {
repository: Repository1
commit: Commit
}
/**
 * When a session is stopped automatically.
 */
export interface Lifetime {
idle?: Idle
total?: Total
}
/**
 * Users who maintain the profile. They see it while it is hidden, and make the changes that the policy allows.
 */
export interface People {
groups?: Groups
users?: Users
}
/**
 * Problems that an administrator has accepted, by code.
 */
export interface Accepted {
[k: string]: Acceptance
}
/**
 * Acceptance of a problem by an administrator.
 * 
 * This interface was referenced by `Accepted`'s JSON-Schema definition
 * via the `patternProperty` "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$".
 */
export interface Acceptance {
reason: Reason
until?: Until
}
