/** Amounts and times, parsed and formatted as people write them in profiles. */

const UNITS: { [unit: string]: number } = {
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4
};
const DAY = 86400000;

/** Format bytes with one unit: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const unit = bytes >= UNITS.TiB ? 'TiB' : bytes >= UNITS.GiB ? 'GiB' : bytes >= UNITS.MiB ? 'MiB' : 'KiB';
  const amount = bytes / UNITS[unit];
  return `${amount >= 100 ? Math.round(amount) : Math.round(amount * 10) / 10} ${unit}`;
}

/** Format a duration, such as what is left of a session: `3 h 20 min`, `45 s`. */
export function formatDuration(seconds: number): string {
  if (seconds < 60) {
    return `${Math.max(0, Math.floor(seconds))} s`;
  }
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) {
    return `${Math.floor(hours / 24)} d`;
  }
  return hours ? `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''}` : `${minutes} min`;
}

/** Return how many days are left until the end of a day in UTC: 0 on the day itself, negative afterwards; or null. */
export function daysLeft(day: string | null | undefined, now: number): number | null {
  const begin = /^\d{4}-\d{2}-\d{2}$/.test(day ?? '') ? Date.parse(`${day}T00:00:00Z`) : NaN;
  return Number.isNaN(begin) ? null : Math.ceil((begin + DAY - now) / DAY) - 1;
}
