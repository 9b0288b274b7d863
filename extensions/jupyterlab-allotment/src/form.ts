/** The form for a profile: its schema made simple, what is sent, and where problems belong. No widgets. */

import type { ICheck, IChange, IProblem, ISchema, ITeamBounds } from './answers';
import type { AllotmentProfile as Profile } from './profile';

/** The fields that are always shown, in this order, and those that are folded. The file in the hub's form has the rest. */
export const MAIN_FIELDS = ['title', 'purpose', 'image', 'resources', 'data_roles'];
export const MORE_FIELDS = ['description', 'app', 'options', 'environment', 'lifetime', 'storage', 'node_pool', 'review_by'];

const LABELS: { [title: string]: string } = {
  cpu: 'CPU',
  Gpu: 'GPUs',
  'Gpu Kind': 'Kind of GPU',
  'Data Roles': 'Data roles',
  'Node Pool': 'Node pool',
  'Review By': 'Review by',
  Environment: 'Environment variables'
};

/** Return a profile's schema with these fields alone, without what a form shows badly. */
export function formSchema(schema: ISchema, fields: string[]): ISchema {
  const all = schema.properties ?? {};
  const chosen = Object.fromEntries(fields.filter(name => name in all).map(name => [name, all[name]]));
  const { properties } = simplified({ properties: chosen });
  const definitions = Object.entries(schema.$defs ?? {}).map(([name, part]) => [name, simplified(part as ISchema)]);
  return {
    type: 'object',
    properties,
    required: ((schema.required ?? []) as string[]).filter(name => name in properties),
    $defs: Object.fromEntries(definitions)
  };
}

/**
 * Return a schema with the same values in a simpler form: a value or null is the value, names by a pattern are any names, and
 * there are no defaults, which the form would write into the file. They are told in the description.
 */
export function simplified(schema: ISchema): ISchema {
  const { default: fallback, patternProperties, anyOf, properties, items, additionalProperties, ...rest } = schema;
  const result: ISchema = { ...rest };
  const other = ((anyOf ?? []) as ISchema[]).filter(each => each.type !== 'null');
  if (other.length === 1) {
    Object.assign(result, simplified(other[0]), rest);
  } else if (anyOf) {
    result.anyOf = other.map(simplified);
  }
  if (properties) {
    result.properties = mapped(properties, (part, name) => ({
      ...('$ref' in part || 'anyOf' in part ? { title: LABELS[name] ?? name[0].toUpperCase() + name.slice(1) } : {}),
      ...simplified(part)
    }));
  }
  if (patternProperties) {
    result.additionalProperties = simplified(Object.values(patternProperties as ISchema)[0] as ISchema);
  } else if (additionalProperties && typeof additionalProperties === 'object') {
    result.additionalProperties = simplified(additionalProperties);
  }
  if (items) {
    result.items = simplified(items);
    if (items.enum) {
      result.uniqueItems = true; // a box for each
    }
  }
  if (typeof result.title === 'string') {
    result.title = LABELS[result.title] ?? result.title;
  }
  if (['string', 'number'].includes(typeof fallback) && fallback !== '') {
    result.description = `${result.description ?? ''} (${fallback})`.trim();
  }
  return result;
}

/** Return a profile without the empty values that the form left in it and that were not in the file. */
export function cleaned(value: unknown, original: unknown): any {
  if (Array.isArray(value)) {
    return value.map((each, index) => cleaned(each, Array.isArray(original) ? original[index] : undefined));
  }
  if (value === null || typeof value !== 'object') {
    return value;
  }
  const before = (original !== null && typeof original === 'object' ? original : {}) as ISchema;
  const entries = Object.entries(value as ISchema)
    .map(([key, each]) => [key, cleaned(each, before[key])] as const)
    .filter(([key, each]) => each !== undefined && (key in before || !isEmpty(each)));
  return Object.fromEntries(entries);
}

function isEmpty(value: unknown): boolean {
  return value === '' || (value !== null && typeof value === 'object' && Object.keys(value).length === 0);
}

function mapped(values: ISchema, change: (value: ISchema, name: string) => ISchema): ISchema {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value, key)]));
}

/** What a person has written. */
export interface IDraft {
  team: string;
  name: string;
  profile: Partial<Profile>;
  reason: string;
  /** The last day that is asked for, by data role. */
  until: { [role: string]: string };
  /** Why an administrator should accept a problem, by its code. */
  accept: { [code: string]: string };
}

/** Return the data roles that the team would have to be granted. */
export function neededGrants(profile: Partial<Profile>, team: ITeamBounds | undefined): string[] {
  const granted = new Set((team?.data_roles.granted ?? []).map(each => each.name));
  return team ? (profile.data_roles ?? []).filter(role => !granted.has(role)) : [];
}

/** Return what is checked and proposed. */
export function changeOf(draft: IDraft, original: Partial<Profile>, team: ITeamBounds | undefined): IChange {
  const needed = neededGrants(draft.profile, team);
  return {
    team: draft.team,
    name: draft.name,
    profile: cleaned(draft.profile, original),
    grants: needed
      .filter(role => draft.until[role])
      .map(role => ({ data_role: role, until: draft.until[role], reason: draft.reason })),
    accept: Object.entries(draft.accept)
      .filter(([, reason]) => reason.trim())
      .map(([code, reason]) => ({ code, reason }))
  };
}

/** Return the codes that an administrator may accept; none if another problem has to be corrected anyway. */
export function acceptable(problems: IProblem[]): string[] {
  if (problems.some(each => each.level === 'hard')) {
    return [];
  }
  return [...new Set(problems.filter(each => each.level === 'soft').map(each => each.code))];
}

/** Whether a check lets a change be proposed. */
export function proposable(check: ICheck | null, draft: IDraft): boolean {
  return check !== null && check.ok && draft.reason.trim() !== '';
}

/** Return the problems of the profile's file by field, as the form shows them. */
export function fieldErrors(problems: IProblem[]): ISchema {
  const root: ISchema = {};
  for (const problem of problems) {
    if (!problem.field || problem.level === 'advice') {
      continue;
    }
    let part = root;
    for (const key of problem.field.split('.')) {
      if (!Object.prototype.hasOwnProperty.call(part, key)) {
        Object.defineProperty(part, key, { value: {}, enumerable: true, writable: true, configurable: true });
      }
      part = part[key];
    }
    part.__errors = [...(part.__errors ?? []), `${problem.message} ${problem.remedy}`.trim()];
  }
  return root;
}
