/** Amounts and times, parsed and formatted as people write them in profiles. */

const UNITS: { [unit: string]: number } = {
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4
};
const SECONDS: { [unit: string]: number } = { s: 1, min: 60, h: 3600, d: 86400 };
const DAY = 86400000;

/** Return the bytes of an amount such as `4 GiB`, or null. */
export function bytesOf(text: string | undefined): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?(KiB|MiB|GiB|TiB)$/.exec(text ?? '');
  return match ? Number(match[1]) * UNITS[match[2]] : null;
}

/** Return the seconds of a time such as `2 h`, or null. */
export function secondsOf(text: string | undefined): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?(s|min|h|d)$/.exec(text ?? '');
  return match ? Number(match[1]) * SECONDS[match[2]] : null;
}

/** Format bytes with one unit: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const unit = bytes >= UNITS.TiB ? 'TiB' : bytes >= UNITS.GiB ? 'GiB' : bytes >= UNITS.MiB ? 'MiB' : 'KiB';
  const amount = bytes / UNITS[unit];
  return `${amount >= 100 ? Math.round(amount) : Math.round(amount * 10) / 10} ${unit}`;
}

/** Format what is left of a session: `3 h 20 min`. */
export function formatDuration(seconds: number): string {
  const minutes = Math.max(0, Math.floor(seconds / 60));
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) {
    return `${Math.floor(hours / 24)} d`;
  }
  return hours ? `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''}` : `${minutes} min`;
}

/** Return the time at which a session is stopped at the latest, in milliseconds, or null. */
export function endOf(started: string, total: string | undefined): number | null {
  const begin = Date.parse(started);
  const seconds = secondsOf(total ?? '12 h');
  return Number.isNaN(begin) || seconds === null ? null : begin + seconds * 1000;
}

/** Return how many days are left until the end of a day in UTC: 0 on the day itself, negative afterwards; or null. */
export function daysLeft(day: string | null | undefined, now: number): number | null {
  const begin = /^\d{4}-\d{2}-\d{2}$/.test(day ?? '') ? Date.parse(`${day}T00:00:00Z`) : NaN;
  return Number.isNaN(begin) ? null : Math.ceil((begin + DAY - now) / DAY) - 1;
}
